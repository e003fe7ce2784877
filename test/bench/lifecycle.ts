import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Client } from '@capacloud/client/client';
import type { AccountId } from '@capacloud/protocol/ids';
import { createCoordinator, type LocalCoordinator, waitForNodes } from '@capacloud/rig/network/local-network';
import { unlimitedJoins } from './bench-coordinator.ts';
import { type Benchmark, median } from './benchmark.ts';
import { measureSqliteLifecycle } from './sqlite-lifecycle.ts';

const agents = 1000;
const batch = 100;
const jobsInFlight = 200;
const fleetFile = fileURLToPath(new URL('agent-fleet.ts', import.meta.url));

/**
 * R1: tasks a second from submission over REST to paid, with 1,000 agents of 4 slots over real sockets, jobs of
 * 100 tasks, everything on (authentication, validation, signatures, Merkle tree, projections, synchronous=FULL),
 * against SQLite's own limit for the bare life of a task in groups of 100. Alternating, medians.
 */
export const lifecycle: Benchmark = {
  name: 'lifecycle',
  summary: 'tasks/s end to end with 1,000 agents ÷ SQLite lifecycles/s in groups of 100 (R1)',
  async run({ quick, log, signal }) {
    const dir = await mkdtemp(join(tmpdir(), 'capacloud-bench-'));
    const rounds = quick ? 1 : 3;
    const tasksPerRound = quick ? 10_000 : 60_000;
    const limits: number[] = [];
    const rates: number[] = [];
    const cpuUs: number[] = [];
    const fleetCpuUs: number[] = [];
    let coordinator: LocalCoordinator | undefined;
    let fleet: ReturnType<typeof fork> | undefined;
    try {
      coordinator = await createCoordinator({
        dir,
        name: 'bench.local',
        settings: { log_level: 'warn', ...benchmarkLimits },
        signal,
      });
      fleet = fork(fleetFile, [coordinator.url, String(agents)], {
        execArgv: ['--import', 'tsx', '--conditions=@capacloud/source'],
      });
      await once(fleet, 'message', { signal });
      await waitForNodes(coordinator.operator, 500, { signal });
      const { client } = await coordinator.openAccount('acc_bench' as AccountId, 10n ** 18n);
      // Until the compilers have settled.
      await submitTasks(client, 200 * batch);
      log(`${agents} agents connected; ${rounds} rounds of ${tasksPerRound} tasks`);
      for (let round = 1; round <= rounds; round++) {
        limits.push(measureSqliteLifecycle(dir, batch, quick ? 1000 : 3000));
        const before = {
          coordinator: await cpuMsOf(coordinator.process.pid),
          fleet: await cpuMsOfFleet(fleet),
        };
        const started = performance.now();
        await submitTasks(client, tasksPerRound);
        const elapsedS = (performance.now() - started) / 1000;
        rates.push(tasksPerRound / elapsedS);
        cpuUs.push(((await cpuMsOf(coordinator.process.pid)) - before.coordinator) * (1000 / tasksPerRound));
        fleetCpuUs.push(((await cpuMsOfFleet(fleet)) - before.fleet) * (1000 / tasksPerRound));
        log(
          `round ${round}: ${Math.round(rates.at(-1) ?? 0)} tasks/s, SQLite ${Math.round(limits.at(-1) ?? 0)} lifecycles/s`,
        );
      }
    } finally {
      fleet?.kill('SIGKILL');
      await coordinator?.process.stop();
      await rm(dir, { recursive: true, force: true });
    }
    return {
      figures: [
        { name: 'tasks, submitted to paid', value: median(rates), unit: 'tasks/s' },
        { name: 'coordinator CPU (all threads)', value: median(cpuUs), unit: 'µs/task' },
        { name: 'agents CPU (same machine)', value: median(fleetCpuUs), unit: 'µs/task' },
        { name: 'SQLite limit', value: median(limits), unit: 'lifecycles/s' },
      ],
      ratios: [
        {
          name: 'R1',
          value: median(rates.map((rate, round) => rate / (limits[round] ?? Number.NaN))),
          target: 0.35,
          better: 'higher',
        },
      ],
    };
  },
};

/** One address submits everything here, which the defaults would slow down as they should. */
const unlimited = { per_second: 1_000_000, burst: 10_000_000 };
const benchmarkLimits = {
  rates: { account: unlimited, address: unlimited, anonymous: unlimited },
  joins: unlimitedJoins,
};

/** Submits jobs of 100 tasks, so many at once, each waiting for its end. */
async function submitTasks(client: Client, tasks: number): Promise<void> {
  let left = Math.ceil(tasks / batch);
  const worker = async () => {
    while (left > 0) {
      left--;
      const job = await client.call('submitJob', {
        query: { wait: 60 },
        body: {
          version: '1',
          image: 'local/busybox:1',
          command: ['true'],
          replicas: batch,
          resources: { cpu: '10m', memory: '8Mi', disk: '1Mi', shm_size: '1Mi' },
          timeout: '1m',
          price: { max_per_hour: '1', currency: 'CAPA' },
        },
      });
      if (job.state !== 'succeeded')
        throw new Error(`job ${job.id} ended ${job.state} (${JSON.stringify(job.tasks)})`);
    }
  };
  await Promise.all(Array.from({ length: jobsInFlight }, worker));
}

/** User and system time of a whole process so far, from the kernel (clock ticks are 10 ms on Linux). */
async function cpuMsOf(pid: number | undefined): Promise<number> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

async function cpuMsOfFleet(fleet: ReturnType<typeof fork>): Promise<number> {
  const answer = once(fleet, 'message');
  fleet.send('usage');
  const [message] = (await answer) as [{ readonly cpuMs: number }];
  return message.cpuMs;
}
