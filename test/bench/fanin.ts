import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nextMessage } from '@capacloud/rig/programs/child-answer';
import { createBenchCoordinator } from './bench-coordinator.ts';
import { type Benchmark, median } from './benchmark.ts';
import type { FleetAnswer, FleetRequest } from './fanin-fleet.ts';
import { cpuMsOf, residentBytesOf } from './process-usage.ts';

const beatRounds = 5;
const execArgv = ['--import', 'tsx', '--conditions=@capacloud/source'];

/**
 * R5: what it takes to hold 19,000 registered agents, against a bare `ws` server with as many sockets that are sent the
 * same heartbeats, in turns; and how long all of them take to come back after the coordinator was killed, each proving its
 * session key. File descriptors are limited to 20,000 a process here, so each side has a fleet of its own.
 */
export const fanin: Benchmark = {
  name: 'fanin',
  summary: '19,000 agents: memory and heartbeats ÷ a bare ws server; signed reconnect of all (R5)',
  async run({ quick, log, signal }) {
    const dir = await mkdtemp(join(tmpdir(), 'capacloud-bench-'));
    const agents = quick ? 2000 : 19_000;
    const rounds = quick ? 1 : 3;
    const stops: (() => unknown)[] = [() => rm(dir, { recursive: true, force: true })];
    const child = (file: string, args: readonly string[]) => {
      const started = fork(fileURLToPath(new URL(file, import.meta.url)), [...args], { execArgv });
      stops.push(() => started.kill('SIGKILL'));
      return started;
    };
    const reconnects: number[] = [];
    const reconnectCpuUs: number[] = [];
    const ours: HeartbeatCost[] = [];
    const bare: HeartbeatCost[] = [];
    let bareConnectMs = Number.NaN;
    try {
      const bareServer = fork(fileURLToPath(new URL('bare-server.ts', import.meta.url)), [], {
        execArgv: ['--conditions=@capacloud/source'],
      });
      stops.push(() => bareServer.kill('SIGKILL'));
      const [{ port }] = (await once(bareServer, 'message', { signal })) as [{ readonly port: number }];
      const bareFleet = child('fanin-fleet.ts', ['bare', `${agents}`]);
      bareConnectMs = await ask(bareFleet, { type: 'connect', url: `http://127.0.0.1:${port}` }, signal);
      const coordinator = await createBenchCoordinator(dir, signal);
      stops.push(() => coordinator.process.kill());
      const fleet = child('fanin-fleet.ts', ['agents', `${agents}`]);
      const first = await ask(fleet, { type: 'connect', url: coordinator.url }, signal);
      log(`${agents} agents introduced themselves in ${(first / 1000).toFixed(1)} s, their wallets signing`);
      for (let round = 1; round <= rounds; round++) {
        await coordinator.process.kill();
        await coordinator.start();
        const before = await cpuMsOf(coordinator.process.pid);
        reconnects.push(await ask(fleet, { type: 'connect', url: coordinator.url }, signal));
        reconnectCpuUs.push(((await cpuMsOf(coordinator.process.pid)) - before) * (1000 / agents));
        bare.push(await measureHeartbeats(bareServer.pid, bareFleet, agents, signal));
        ours.push(await measureHeartbeats(coordinator.process.pid, fleet, agents, signal));
        const [a, b] = [ours.at(-1), bare.at(-1)];
        log(
          `round ${round}: back in ${((reconnects.at(-1) ?? 0) / 1000).toFixed(1)} s; heartbeat ${a?.cpuUs.toFixed(1)} µs, bare ${b?.cpuUs.toFixed(1)}`,
        );
      }
    } finally {
      for (const stop of stops.reverse()) await stop();
    }
    const of = (list: readonly HeartbeatCost[], key: keyof HeartbeatCost) =>
      median(list.map((cost) => cost[key]));
    const over = (key: keyof HeartbeatCost) =>
      median(ours.map((cost, round) => cost[key] / (bare[round]?.[key] ?? Number.NaN)));
    return {
      figures: [
        { name: 'agents', value: agents, unit: 'sockets' },
        { name: 'coordinator memory', value: of(ours, 'residentBytes') / 2 ** 20, unit: 'MiB' },
        { name: 'bare ws memory', value: of(bare, 'residentBytes') / 2 ** 20, unit: 'MiB' },
        { name: 'coordinator CPU', value: of(ours, 'cpuUs'), unit: 'µs/heartbeat' },
        { name: 'bare ws CPU', value: of(bare, 'cpuUs'), unit: 'µs/heartbeat' },
        { name: 'coordinator CPU', value: median(reconnectCpuUs), unit: 'µs/reconnect' },
        { name: 'reconnect of all', value: median(reconnects) / 1000, unit: 's' },
        { name: 'bare ws, connect of all', value: bareConnectMs / 1000, unit: 's' },
      ],
      ratios: [
        { name: 'R5, memory', value: over('residentBytes'), target: 2, better: 'lower' },
        { name: 'R5, heartbeat CPU', value: over('cpuUs'), target: 1.5, better: 'lower' },
        { name: 'R5, reconnect in s', value: median(reconnects) / 1000, target: 5, better: 'lower' },
      ],
    };
  },
};

interface HeartbeatCost {
  readonly cpuUs: number;
  readonly residentBytes: number;
}

async function measureHeartbeats(
  pid: number | undefined,
  fleet: ChildProcess,
  agents: number,
  signal: AbortSignal,
): Promise<HeartbeatCost> {
  // Until the compilers have settled.
  await ask(fleet, { type: 'beat', rounds: 1 }, signal);
  const before = await cpuMsOf(pid);
  await ask(fleet, { type: 'beat', rounds: beatRounds }, signal);
  const cpuUs = ((await cpuMsOf(pid)) - before) * (1000 / (agents * beatRounds));
  return { cpuUs, residentBytes: await residentBytesOf(pid) };
}

async function ask(fleet: ChildProcess, request: FleetRequest, signal: AbortSignal): Promise<number> {
  const answer = nextMessage<FleetAnswer>(fleet, 'the fleet', signal);
  fleet.send(request);
  return (await answer).ms;
}
