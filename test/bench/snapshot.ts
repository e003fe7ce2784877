import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CommandSequencer } from '@capacloud/coordinator/log/command-sequencer';
import { SnapshotFiles } from '@capacloud/coordinator/log/snapshot-files';
import { Snapshotter } from '@capacloud/coordinator/log/snapshotter';
import { openStore, type Store } from '@capacloud/coordinator/store/store';
import { defaultRuleset } from '@capacloud/core/contract/ruleset';
import { encodeState } from '@capacloud/core/snapshot';
import { createState } from '@capacloud/core/state';
import type { AccountId, JobId, NodeId, Sha256Hex, TaskId } from '@capacloud/protocol/ids';
import type { AttemptStage } from '@capacloud/protocol/wire/frames';
import type { Benchmark, BenchmarkResult } from './benchmark.ts';

const tasksPerJob = 100;
const slotsPerNode = 100;
const commandsInFlight = 64;
const consumer = 'acc_bench' as AccountId;
const stages: readonly AttemptStage[] = ['pulling', 'starting', 'running', 'uploading'];

/** The longest time that the event loop did not turn: commands go on, and a snapshot is written beside them. */
export const snapshot: Benchmark = {
  name: 'snapshot',
  summary: 'longest stall of the event loop while a state of 100,000 live tasks is written',
  async run({ quick, log, signal }) {
    const dir = await mkdtemp(join(tmpdir(), 'cc-bench-'));
    const store = await openStore(dir);
    try {
      return await measure(dir, store, quick ? 20_000 : 100_000, quick ? 1 : 3, log, signal);
    } finally {
      await store.close();
      await rm(dir, { recursive: true, force: true });
    }
  },
};

async function measure(
  dir: string,
  store: Store,
  tasks: number,
  rounds: number,
  log: (line: string) => void,
  signal: AbortSignal,
): Promise<BenchmarkResult> {
  const sequencer = new CommandSequencer({
    state: createState(),
    log: store.log,
    fencingEpoch: store.fencingEpoch,
    projection: store.projection,
    now: () => 1_000_000,
    onFatal: (error) => {
      throw error;
    },
  });
  await fill(sequencer, tasks);
  log(`${sequencer.state.tasks.size} live tasks, ${store.log.size()} events`);
  const files = new SnapshotFiles(dir);
  const snapshotter = new Snapshotter({
    sequencer,
    files,
    rootAt: () => '00'.repeat(32),
    from: 0,
    everyEvents: Number.POSITIVE_INFINITY,
    hasRoom: () => true,
    onFailure: (error) => {
      throw error;
    },
  });
  const traffic = new Traffic(sequencer);
  let quiet: Stall = { wallMs: 0, cpuMs: 0, totalMs: 0 };
  let saving = quiet;
  let hashing = quiet;
  let wholeMs = 0;
  let rate = 0;
  for (let round = 0; round < rounds; round++) {
    signal.throwIfAborted();
    quiet = worse(quiet, await longestStall(() => traffic.run(2000)));
    const stop = traffic.start();
    const commands = traffic.commands;
    const save = await longestStall(() => snapshotter.save());
    rate = ((traffic.commands - commands) / save.totalMs) * 1000;
    saving = worse(saving, save);
    hashing = worse(hashing, await longestStall(() => sequencer.digest()));
    await stop();
    const began = process.threadCpuUsage();
    createHash('sha256').update(encodeState(sequencer.state)).digest('hex');
    wholeMs = Math.max(wholeMs, process.threadCpuUsage(began).user / 1000);
    log(
      `round ${round + 1}: a turn of ${save.wallMs.toFixed(1)} ms, ${save.cpuMs.toFixed(1)} of them computing`,
    );
  }
  await snapshotter.stop();
  await sequencer.close();
  const of = (stall: Stall, what: string) => [
    { name: `longest stall, ${what}`, value: stall.wallMs, unit: 'ms' },
    { name: `  of it computing`, value: stall.cpuMs, unit: 'ms' },
  ];
  return {
    figures: [
      { name: 'live tasks', value: sequencer.state.tasks.size, unit: '' },
      ...of(quiet, 'commands alone'),
      ...of(saving, 'with a snapshot'),
      ...of(hashing, 'with a state hash'),
      { name: 'the state hashed in one piece, CPU', value: wholeMs, unit: 'ms' },
      { name: 'a snapshot takes', value: saving.totalMs, unit: 'ms' },
      { name: 'commands meanwhile', value: rate, unit: '/s' },
    ],
    ratios: [
      { name: 'longest stall, of 50 ms', value: saving.wallMs / 50, target: 1, better: 'lower' },
      { name: 'longest stall of a hash, of 50 ms', value: hashing.wallMs / 50, target: 1, better: 'lower' },
    ],
  };
}

/** Everything assigned. */
async function fill(sequencer: CommandSequencer, tasks: number): Promise<void> {
  const at = 1_000_000;
  const ruleset = { ...defaultRuleset, maxLiveTasksPerAccount: tasks, maxUnprovenNodes: 1_000_000 };
  const grant = 10n ** 17n;
  await sequencer.submit({ type: 'log.open', at, origin: 'bench.test', ruleset });
  await sequencer.submit({ type: 'account.open', at, account: consumer });
  await sequencer.submit({ type: 'account.credit', at, account: consumer, amountNano: grant, ref: 'bench' });
  for (let n = 0; n * slotsPerNode < tasks; n++) {
    const id = n.toString(16).padStart(40, '0');
    const ask = { cpuHourNano: '1', deviceHourNano: '0', diskGibHourNano: '0', memoryGibHourNano: '1' };
    const offer = {
      allowRoot: false,
      arch: 'amd64',
      ask,
      cpuMilli: 1000 * slotsPerNode,
      devices: [],
      diskBytes: 0,
    };
    await sequencer.submit({
      type: 'node.connect',
      at,
      node: `node_${id}` as NodeId,
      provider: `0x${id}` as AccountId,
      accepting: true,
      held: [],
      offer: { ...offer, memoryBytes: 2 ** 40, slots: slotsPerNode },
    });
  }
  const terms = {
    specHash: '00'.repeat(32) as Sha256Hex,
    tasks: tasksPerJob,
    resources: { cpuMilli: 1000, memoryBytes: 2 ** 20, diskBytes: 0, shmBytes: 0 },
    needsRoot: false,
    providers: [],
    excludeProviders: [],
    maxRateNano: 10n ** 9n,
    holdNano: 10n ** 6n,
    queueTimeoutMs: 3_600_000,
    runTimeoutMs: 3_600_000,
    stopGraceMs: 10_000,
    maxAttempts: 2,
    retryOn: [],
    retryExitCodes: [],
    backoffInitialMs: 1000,
    backoffMaxMs: 1000,
    providerLost: 3,
  };
  for (let n = 0; n * tasksPerJob < tasks; n++) {
    const text = n.toString(2).replace(/0/g, 'a').replace(/1/g, 'b').padStart(20, 'a');
    const job = `job_${text}` as JobId;
    const outcome = await sequencer.submit({ type: 'job.submit', at, job, consumer, terms }, () => [
      { kind: 'job_spec', job, spec: '{"image":"bench"}', salt: 'salt', image: 'bench' },
    ]);
    if (!outcome.ok) throw new Error(outcome.refusal.message);
  }
  await sequencer.digest();
  for (const task of sequencer.state.tasks.values())
    if (task.state !== 'assigned') throw new Error(`${task.id} is ${task.state}`);
}

/** Reports of progress, so many in flight. */
class Traffic {
  readonly #sequencer: CommandSequencer;
  readonly #tasks: readonly TaskId[];
  commands = 0;

  constructor(sequencer: CommandSequencer) {
    this.#sequencer = sequencer;
    this.#tasks = [...sequencer.state.tasks.keys()];
  }

  async run(commands: number): Promise<void> {
    const end = this.commands + commands;
    await Promise.all(Array.from({ length: commandsInFlight }, () => this.#lane(() => this.commands < end)));
  }

  /** Until the function that it gives is called. */
  start(): () => Promise<void> {
    let going = true;
    const lanes = Array.from({ length: commandsInFlight }, () => this.#lane(() => going));
    return async () => {
      going = false;
      await Promise.all(lanes);
    };
  }

  async #lane(goesOn: () => boolean): Promise<void> {
    while (goesOn()) {
      // Far apart in the state: what is written and what is not yet changes alike.
      const index = (this.commands * 7919) % this.#tasks.length;
      const stage = stages[Math.floor(this.commands / this.#tasks.length)];
      const task = this.#sequencer.state.tasks.get(this.#tasks[index] as TaskId);
      this.commands += 1;
      if (task?.node === undefined || stage === undefined) throw new Error('the tasks have run out');
      const { id, node, attempt } = task;
      await this.#sequencer.submit({
        type: 'attempt.progress',
        at: 1_000_000,
        node,
        task: id,
        attempt,
        stage,
      });
    }
  }
}

interface Stall {
  /** Of the longest turn of the event loop. */
  readonly wallMs: number;
  /** The most that this thread computed in a turn: on a machine that others use, too, the rest was theirs. */
  readonly cpuMs: number;
  readonly totalMs: number;
}

async function longestStall(work: () => Promise<unknown>): Promise<Stall> {
  const began = performance.now();
  let last = began;
  let cpu = process.threadCpuUsage();
  let wallMs = 0;
  let cpuMs = 0;
  let going = true;
  const turn = () => {
    const now = performance.now();
    const used = process.threadCpuUsage(cpu);
    wallMs = Math.max(wallMs, now - last);
    cpuMs = Math.max(cpuMs, (used.user + used.system) / 1000);
    last = now;
    cpu = process.threadCpuUsage();
    if (going) setImmediate(turn);
  };
  setImmediate(turn);
  await work();
  going = false;
  return { wallMs, cpuMs, totalMs: performance.now() - began };
}

function worse(a: Stall, b: Stall): Stall {
  return {
    wallMs: Math.max(a.wallMs, b.wallMs),
    cpuMs: Math.max(a.cpuMs, b.cpuMs),
    totalMs: Math.max(a.totalMs, b.totalMs),
  };
}
