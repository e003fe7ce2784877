import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@capacloud/client/client';
import type { AccountId } from '@capacloud/protocol/ids';
import { waitForNodes } from '@capacloud/rig/network/local-network';
import { ScriptedAgent } from '@capacloud/rig/network/scripted-agent';
import { createBenchCoordinator, plainJob } from './bench-coordinator.ts';
import { type Benchmark, median } from './benchmark.ts';
import { startJetStream } from './peers/jetstream.ts';

const pauseMs = 8;
const samples = 150;

/**
 * R4: from the call that submits a task, on an idle coordinator, to the assignment in the agent's hands, durable and
 * placed; against JetStream's publish to delivery, which is not on disk by then. Alternating, one at a time.
 */
export const dispatch: Benchmark = {
  name: 'dispatch',
  summary: 'idle submit → the agent has it, p50 ÷ JetStream’s delivery (R4)',
  async run({ quick, log, signal }) {
    const dir = await mkdtemp(join(tmpdir(), 'capacloud-bench-'));
    const rounds = quick ? 2 : 6;
    const stops: (() => Promise<unknown>)[] = [() => rm(dir, { recursive: true, force: true })];
    const ours: number[][] = [];
    const theirs: number[][] = [];
    try {
      const coordinator = await createBenchCoordinator(dir, signal);
      stops.push(() => coordinator.process.stop());
      let onAssigned = () => {};
      const agent = new ScriptedAgent({
        url: coordinator.url,
        act: () => {
          onAssigned();
          return { reason: 'completed', exitCode: 0, ranMs: 1 };
        },
      });
      await agent.connect();
      stops.push(() => Promise.resolve(agent.cut()));
      await waitForNodes(coordinator.operator, 1, { signal });
      const { client } = await coordinator.openAccount('acc_bench' as AccountId, 10n ** 18n);
      const jetStream = await startJetStream(dir, signal);
      stops.push(() => jetStream.stop());
      const measure = (count: number) =>
        measureDispatch(client, count, (listener) => {
          onAssigned = listener;
        });
      // Until the compilers have settled.
      await measure(8 * samples);
      await jetStream.measureDelivery(8 * samples, pauseMs);
      for (let round = 1; round <= rounds; round++) {
        signal.throwIfAborted();
        ours.push(await measure(samples));
        theirs.push([...(await jetStream.measureDelivery(samples, pauseMs))]);
        const [a, b] = [median(ours.at(-1) ?? []), median(theirs.at(-1) ?? [])];
        log(`round ${round}: p50 ${a.toFixed(2)} ms, JetStream ${b.toFixed(2)} ms`);
      }
    } finally {
      for (const stop of stops.reverse()) await stop();
    }
    const p99 = quantile(ours.flat(), 0.99);
    return {
      figures: [
        { name: 'submit → assigned, p50', value: median(ours.flat()), unit: 'ms' },
        { name: 'submit → assigned, p99', value: p99, unit: 'ms' },
        { name: 'JetStream publish → delivery, p50', value: median(theirs.flat()), unit: 'ms' },
        { name: 'JetStream publish → delivery, p99', value: quantile(theirs.flat(), 0.99), unit: 'ms' },
      ],
      ratios: [
        {
          name: 'R4',
          value: median(ours.map((times, round) => median(times) / median(theirs[round] ?? []))),
          target: 1.5,
          better: 'lower',
        },
        { name: 'R4, p99 in ms', value: p99, target: 3, better: 'lower' },
      ],
    };
  },
};

/** One at a time; each task is done and paid before the next is submitted, so that the coordinator is idle. */
async function measureDispatch(
  client: Client,
  count: number,
  listen: (listener: () => void) => void,
): Promise<number[]> {
  const times: number[] = [];
  for (let i = 0; i < count; i++) {
    const started = performance.now();
    const assigned = new Promise<number>((resolve) => {
      listen(() => resolve(performance.now() - started));
    });
    await client.call('submitJob', { body: plainJob });
    times.push(await assigned);
    await sleep(pauseMs);
  }
  return times;
}

function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
