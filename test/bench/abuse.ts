import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Client, createClient } from '@capacloud/client/client';
import { createNodeExchange } from '@capacloud/client/node-exchange';
import type { AccountId, JobId } from '@capacloud/protocol/ids';
import { createCoordinator, type LocalCoordinator, waitForNodes } from '@capacloud/rig/network/local-network';
import { unlimitedJoins } from './bench-coordinator.ts';
import type { Benchmark } from './benchmark.ts';

const restClients = 80;
const followers = 10;
const agents = 10;
const slowSockets = 500;
const malformedFrames = 10_000;
/** Each client asks so often: about a quarter of what this fits on a core, so that waiting is not queueing. */
const pauseMs = 250;
const measuredMs = 20_000;
const unlimited = { per_second: 1_000_000, burst: 10_000_000 };
const fleetFile = fileURLToPath(new URL('agent-fleet.ts', import.meta.url));
const abuserFile = fileURLToPath(new URL('abuser.ts', import.meta.url));

/**
 * How long 100 honest clients wait for their answers, alone and while 500 slow sockets are held open and 10,000
 * malformed frames come in. Agents and abusers are processes of their own; the rate limits are off, so that nothing
 * but the work of refusing stands between them.
 */
export const abuse: Benchmark = {
  name: 'abuse',
  summary: 'p99 of 100 honest clients, alone and under 500 slow sockets and 10,000 malformed frames',
  async run({ quick, log, signal }) {
    const dir = await mkdtemp(join(tmpdir(), 'capacloud-abuse-'));
    const durationMs = quick ? measuredMs / 4 : measuredMs;
    let coordinator: LocalCoordinator | undefined;
    const children: ChildProcess[] = [];
    const start = (file: string, ...args: string[]) => {
      const child = fork(file, args, { execArgv: ['--import', 'tsx', '--conditions=@capacloud/source'] });
      children.push(child);
      return child;
    };
    try {
      const rates = { account: unlimited, address: unlimited, anonymous: unlimited };
      coordinator = await createCoordinator({
        dir,
        name: 'abuse.local',
        settings: {
          log_level: 'warn',
          rates,
          joins: unlimitedJoins,
          rules: { max_unproven_nodes: 1_000_000 },
        },
        signal,
      });
      await once(start(fleetFile, coordinator.url, String(agents)), 'message', { signal });
      await waitForNodes(coordinator.operator, agents, { signal });
      const { secret } = await coordinator.openAccount('acc_bench' as AccountId, 10n ** 18n);
      const clients = new HonestClients(coordinator.url, secret);
      await clients.run(durationMs / 4, signal);
      const alone = await clients.run(durationMs, signal);
      log(`alone: ${describe(alone)}`);
      const abuser = start(
        abuserFile,
        coordinator.url,
        String(slowSockets),
        String(malformedFrames),
        String(durationMs),
      );
      await once(abuser, 'message', { signal });
      const finished = once(abuser, 'message', { signal }) as Promise<[{ readonly refused: number }]>;
      const abused = await clients.run(durationMs, signal);
      const [{ refused }] = await finished;
      log(`under abuse: ${describe(abused)}; ${refused} malformed frames refused`);
      return {
        figures: [
          { name: 'answers alone', value: alone.waits.length, unit: 'requests' },
          { name: 'p50 alone', value: percentile(alone.waits, 0.5), unit: 'ms' },
          { name: 'p99 alone', value: percentile(alone.waits, 0.99), unit: 'ms' },
          { name: 'answers under abuse', value: abused.waits.length, unit: 'requests' },
          { name: 'p50 under abuse', value: percentile(abused.waits, 0.5), unit: 'ms' },
          { name: 'p99 under abuse', value: percentile(abused.waits, 0.99), unit: 'ms' },
          { name: 'failed requests', value: alone.failed + abused.failed, unit: 'requests' },
          { name: 'malformed frames refused', value: refused, unit: 'frames' },
        ],
        ratios: [
          { name: 'p99 under abuse, ms', value: percentile(abused.waits, 0.99), target: 50, better: 'lower' },
          {
            name: 'p99 under abuse ÷ alone',
            value: percentile(abused.waits, 0.99) / percentile(alone.waits, 0.99),
            target: 3,
            better: 'lower',
          },
        ],
      };
    } finally {
      for (const child of children) child.kill('SIGKILL');
      await coordinator?.process.stop();
      await rm(dir, { recursive: true, force: true });
    }
  },
};

interface Measured {
  /** Milliseconds from request to answer, in no order. */
  readonly waits: number[];
  failed: number;
}

/** Clients that submit, read and follow at their own pace: an answer that is late delays nobody else's question. */
class HonestClients {
  readonly #clients: readonly Client[];

  constructor(baseUrl: string, apiKey: string) {
    // Each over connections of its own, and as cheap as can be: they share a process, and what it does is no wait for an answer.
    this.#clients = Array.from({ length: restClients + followers }, () =>
      createClient({ baseUrl, apiKey, maxTries: 1, exchange: createNodeExchange() }),
    );
  }

  async run(durationMs: number, signal: AbortSignal): Promise<Measured> {
    const measured: Measured = { waits: [], failed: 0 };
    const end = AbortSignal.any([signal, AbortSignal.timeout(durationMs)]);
    await Promise.all(
      this.#clients.map((client, index) =>
        index < restClients ? ask(client, index, measured, end) : follow(client, end),
      ),
    );
    signal.throwIfAborted();
    return measured;
  }
}

async function ask(client: Client, index: number, measured: Measured, end: AbortSignal): Promise<void> {
  // Spread over the pause, or all would ask at once.
  await sleep((pauseMs * index) / restClients);
  let job: JobId | undefined;
  for (let turn = 0; !end.aborted; turn++) {
    const started = performance.now();
    try {
      if (turn % 3 === 0 || job === undefined) job = (await client.call('submitJob', { body: smallJob })).id;
      else if (turn % 3 === 1) await client.call('getJob', { params: { job } });
      else await client.call('listJobs', { query: { limit: 20 } });
      measured.waits.push(performance.now() - started);
    } catch {
      measured.failed += 1;
    }
    await sleep(Math.max(0, pauseMs - (performance.now() - started)));
  }
}

/** Watches the events of one job after another. */
async function follow(client: Client, end: AbortSignal): Promise<void> {
  while (!end.aborted) {
    try {
      const { id } = await client.call('submitJob', { body: smallJob, signal: end });
      const stream = await client.open('followJob', { params: { job: id }, signal: end });
      await stream.text();
      await sleep(pauseMs);
    } catch (error) {
      if (!end.aborted) throw error;
    }
  }
}

const smallJob = {
  version: '1' as const,
  image: 'local/busybox:1',
  command: ['true'],
  resources: { cpu: '10m', memory: '8Mi', disk: '1Mi', shm_size: '1Mi' },
  timeout: '1m',
  price: { max_per_hour: '1', currency: 'CAPA' as const },
};

function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

function describe({ waits, failed }: Measured): string {
  const [p50, p99] = [percentile(waits, 0.5), percentile(waits, 0.99)];
  return `${waits.length} answers, p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, ${failed} failed`;
}
