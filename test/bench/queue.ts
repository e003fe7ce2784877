import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Client } from '@capacloud/client/client';
import type { AccountId } from '@capacloud/protocol/ids';
import { plainOffer } from '@capacloud/rig/network/agent-keys';
import type { LocalCoordinator } from '@capacloud/rig/network/local-network';
import { waitForNodes } from '@capacloud/rig/network/local-network';
import { ScriptedAgent } from '@capacloud/rig/network/scripted-agent';
import { createBenchCoordinator, plainJob } from './bench-coordinator.ts';
import { type Benchmark, median } from './benchmark.ts';
import { type QueuePeer, startBullMq } from './peers/bullmq.ts';
import { startJetStream } from './peers/jetstream.ts';
import { cpuMsOf } from './process-usage.ts';

const inFlight = 64;
const agents = 8;

/**
 * R2: jobs of one task, submitted one by one through the SDK with 64 calls in flight, until the coordinator has paid each
 * and told its agent so; against the same through BullMQ and through JetStream. Each server has a process of its own, and
 * its submitters and workers share this one. Alternating, medians.
 */
export const queue: Benchmark = {
  name: 'queue',
  summary: 'single submits to completion, 64 in flight ÷ BullMQ (AOF always) and ÷ JetStream (R2)',
  async run({ quick, log, signal }) {
    const dir = await mkdtemp(join(tmpdir(), 'capacloud-bench-'));
    const rounds = quick ? 1 : 3;
    const jobs = quick ? 3000 : 10_000;
    const stops: (() => Promise<unknown>)[] = [() => rm(dir, { recursive: true, force: true })];
    const rates = { ours: [] as number[], bullMq: [] as number[], jetStream: [] as number[] };
    const cpuUs: number[] = [];
    try {
      const ours = await startOurs(dir, signal);
      stops.push(() => ours.stop());
      const bullMq = await startBullMq(dir, signal);
      stops.push(() => bullMq.stop());
      const jetStream = await startJetStream(dir, signal);
      stops.push(() => jetStream.stop());
      // Until the compilers have settled.
      for (const peer of [ours, bullMq, jetStream]) await peer.measure(2 * jobs, inFlight);
      for (let round = 1; round <= rounds; round++) {
        signal.throwIfAborted();
        const before = await cpuMsOf(ours.pid);
        rates.ours.push(await ours.measure(jobs, inFlight));
        cpuUs.push(((await cpuMsOf(ours.pid)) - before) * (1000 / jobs));
        rates.bullMq.push(await bullMq.measure(jobs, inFlight));
        rates.jetStream.push(await jetStream.measure(jobs, inFlight));
        const last = [rates.ours, rates.bullMq, rates.jetStream].map((list) => Math.round(list.at(-1) ?? 0));
        log(`round ${round}: ${last[0]} jobs/s, BullMQ ${last[1]}, JetStream ${last[2]}`);
      }
    } finally {
      for (const stop of stops.reverse()) await stop();
    }
    const over = (peer: readonly number[]) =>
      median(rates.ours.map((rate, round) => rate / (peer[round] ?? Number.NaN)));
    return {
      figures: [
        { name: 'single jobs, submitted to paid', value: median(rates.ours), unit: 'jobs/s' },
        { name: 'coordinator CPU (all threads)', value: median(cpuUs), unit: 'µs/job' },
        { name: 'BullMQ, Redis with an fsync each', value: median(rates.bullMq), unit: 'jobs/s' },
        { name: 'JetStream, no fsync each', value: median(rates.jetStream), unit: 'jobs/s' },
      ],
      ratios: [
        { name: 'R2, of BullMQ', value: over(rates.bullMq), target: 2.5, better: 'higher' },
        { name: 'R2, of JetStream', value: over(rates.jetStream), target: 1.1, better: 'higher' },
      ],
    };
  },
};

async function startOurs(dir: string, signal: AbortSignal): Promise<QueuePeer & { readonly pid: number }> {
  const coordinator = await createBenchCoordinator(dir, signal);
  let left = 0;
  let onDone = () => {};
  const onAcked = (finished: number) => {
    left -= finished;
    if (left === 0) onDone();
  };
  const offer = { ...plainOffer, slots: 64, cpuMilli: 64_000 };
  const workers = Array.from(
    { length: agents },
    () => new ScriptedAgent({ url: coordinator.url, offer, onAcked }),
  );
  const stop = async () => {
    for (const worker of workers) worker.cut();
    await coordinator.process.stop();
  };
  try {
    const client = await prepare(coordinator, workers, signal);
    return {
      pid: coordinator.process.pid ?? 0,
      async measure(jobs) {
        left = jobs;
        const done = new Promise<void>((resolve) => {
          onDone = resolve;
        });
        const started = performance.now();
        let next = 0;
        const submit = async () => {
          while (next < jobs) {
            next += 1;
            await client.call('submitJob', { body: plainJob });
          }
        };
        await Promise.all(Array.from({ length: inFlight }, submit));
        await done;
        return jobs / ((performance.now() - started) / 1000);
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function prepare(
  coordinator: LocalCoordinator,
  workers: readonly ScriptedAgent[],
  signal: AbortSignal,
): Promise<Client> {
  await Promise.all(workers.map((worker) => worker.connect()));
  await waitForNodes(coordinator.operator, workers.length, { signal });
  const { client } = await coordinator.openAccount('acc_bench' as AccountId, 10n ** 18n);
  return client;
}
