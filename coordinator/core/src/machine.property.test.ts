import type { AttemptStage } from '@capacloud/protocol/frames';
import type { AccountId, JobId, NodeId, TaskId } from '@capacloud/protocol/ids';
import type { OutcomeReason } from '@capacloud/protocol/reasons';
import { outcomeReasons } from '@capacloud/protocol/reasons';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Command } from './command.ts';
import type { Event } from './event.ts';
import { checkInvariants } from './invariants.ts';
import { transfersOf } from './ledger/transfers.ts';
import { apply, decide } from './machine.ts';
import { desiredAttempts } from './node/desired.ts';
import { defaultRuleset } from './ruleset.ts';
import { decodeState, encodeState, stateHash } from './snapshot.ts';
import { createState, type State, type Task } from './state.ts';
import { consumer, gib, hash, jobId, nodeId, offer, provider, terms } from './testing/harness.ts';

/** One number of a run is enough to choose everything: fast-check shrinks the list, not the choices. */
class Dice {
  #seed: number;
  constructor(seed: number) {
    this.#seed = seed >>> 0;
  }
  below(n: number): number {
    // xorshift32
    this.#seed ^= this.#seed << 13;
    this.#seed ^= this.#seed >>> 17;
    this.#seed ^= this.#seed << 5;
    this.#seed >>>= 0;
    return this.#seed % n;
  }
  pick<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new Error('nothing to pick');
    return item;
  }
  chance(percent: number): boolean {
    return this.below(100) < percent;
  }
}

const other = 'acc_other' as AccountId;
const ruleset = { ...defaultRuleset, maxTasksPerJob: 40, maxLiveTasksPerAccount: 150, assignTimeoutMs: 9000 };
const stages: readonly AttemptStage[] = ['pulling', 'starting', 'running', 'uploading'];
const reasons = Object.keys(outcomeReasons) as OutcomeReason[];
const devices = [0, 1].map((n) => ({
  id: `GPU-${n}`,
  vendor: 'nvidia' as const,
  model: 'rtx-4090',
  memoryBytes: 24 * gib,
  health: 'healthy' as const,
}));

function anyTask(state: State, dice: Dice): Task | undefined {
  const tasks = [...state.tasks.values()].filter((task) => task.attempt > 0);
  return tasks.length === 0 ? undefined : dice.pick(tasks);
}

function randomTerms(dice: Dice) {
  return terms({
    tasks: dice.below(45),
    holdNano: dice.pick([0n, 1n, 500n, 2_000_000n]),
    maxRateNano: dice.pick([0n, 1_500_000n, 10_000_000n]),
    maxAttempts: dice.below(3) + 1,
    providerLost: dice.below(3),
    queueTimeoutMs: dice.pick([5000, 600_000]),
    runTimeoutMs: dice.pick([5000, 600_000]),
    retryExitCodes: dice.pick([[], [1]]),
    needsRoot: dice.chance(5),
    providers: dice.pick([[], [], [provider]]),
    excludeProviders: dice.pick([[], [], [provider]]),
    backoffInitialMs: dice.pick([0, 1000]),
    resources: {
      cpuMilli: dice.pick([500, 2000]),
      memoryBytes: gib,
      diskBytes: 0,
      shmBytes: 0,
      ...(dice.chance(25) ? { devices: { count: dice.below(2) + 1 } } : {}),
    },
  });
}

function randomOffer(dice: Dice) {
  const ask = {
    cpuHourNano: dice.pick(['1', '1000000']),
    memoryGibHourNano: '0',
    diskGibHourNano: '0',
    deviceHourNano: '5',
  };
  return offer({ slots: dice.below(4) + 1, devices: dice.chance(50) ? devices : [], ask });
}

function report(state: State, dice: Dice, at: number): Command {
  const task = anyTask(state, dice);
  if (task === undefined) return { type: 'place', at };
  // Mostly the truth; sometimes another node, an older attempt or one that never was.
  const node = dice.chance(90) ? (task.node ?? nodeId(dice.below(6))) : nodeId(dice.below(6));
  const attempt = dice.chance(85) ? task.attempt : dice.below(task.attempt + 2);
  if (dice.chance(50))
    return { type: 'attempt.progress', at, node, task: task.id, attempt, stage: dice.pick(stages) };
  const reason = dice.chance(60) ? 'completed' : dice.pick(reasons);
  const exitCode = dice.below(3);
  return {
    type: 'attempt.finish',
    at,
    node,
    task: task.id,
    attempt,
    reason,
    exitCode,
    receipt: hash,
    claimedRunMs: dice.below(20_000),
  };
}

function connect(state: State, dice: Dice, at: number): Command {
  const node = nodeId(dice.below(6));
  const occupied = [...(state.nodes.get(node)?.occupied.values() ?? [])];
  const held = occupied.filter(() => dice.chance(60)).map(({ attempt, task }) => ({ task, attempt }));
  if (dice.chance(10)) held.push({ task: `${jobId(9999)}.0` as TaskId, attempt: 1 });
  const owner = dice.pick([provider, other, consumer]);
  return {
    type: 'node.connect',
    at,
    node,
    provider: owner,
    offer: randomOffer(dice),
    accepting: dice.chance(90),
    held,
  };
}

function tick(state: State, dice: Dice, at: number): Command {
  const heard = new Map<NodeId, number>();
  for (const node of state.nodes.keys()) if (dice.chance(85)) heard.set(node, at - dice.below(20_000));
  return { type: 'tick', at, heard };
}

let submitted = 0;
/** Ids are never used again once their job has settled: the service draws them at random. */
function anyJob(state: State, dice: Dice): JobId {
  const live = [...state.jobs.keys()];
  submitted += 1;
  return live.length > 0 && dice.chance(20) ? dice.pick(live) : jobId(submitted);
}

function randomJobCommand(state: State, dice: Dice, at: number): Command {
  const live = [...state.jobs.keys()];
  const owner = dice.pick([consumer, other]);
  if (dice.chance(80) || live.length === 0) {
    return { type: 'job.submit', at, job: anyJob(state, dice), consumer: owner, terms: randomTerms(dice) };
  }
  return { type: 'job.cancel', at, job: dice.pick(live), consumer: owner };
}

function randomRareCommand(dice: Dice, at: number): Command {
  const node = nodeId(dice.below(6));
  const account = dice.pick([consumer, other, provider]);
  const ref = `r${dice.below(20)}`;
  const rules = { ...ruleset, assignTimeoutMs: 5000 + dice.below(9000) };
  return dice.pick<Command>([
    { type: 'node.direct', at, node, to: dice.pick(['cordon', 'uncordon', 'uncordon', 'drain'] as const) },
    { type: 'node.change_offer', at, node, offer: randomOffer(dice), accepting: dice.chance(85) },
    { type: 'ruleset.change', at, ruleset: rules },
    { type: 'account.open', at, account },
    { type: 'account.credit', at, account, amountNano: BigInt(dice.below(1_000_000_000)), ref },
  ]);
}

function randomCommand(state: State, dice: Dice, at: number): Command {
  const roll = dice.below(100);
  if (roll < 45) return report(state, dice, at);
  if (roll < 60) return { type: 'place', at };
  if (roll < 72) return randomJobCommand(state, dice, at);
  if (roll < 80) return tick(state, dice, at);
  if (roll < 88) return connect(state, dice, at);
  return randomRareCommand(dice, at);
}

/** Applies one event the way a log does: through its text. Money is checked against its account of transfers. */
function replayInto(state: State, event: Event): void {
  const captured: string[] = [];
  for (const transfer of transfersOf(state, event)) {
    expect(transfer.entries.reduce((sum, { deltaNano }) => sum + deltaNano, 0n)).toBe(0n);
    expect(transfer.entries.every(({ deltaNano }) => deltaNano !== 0n)).toBe(true);
    expect(new Set(transfer.entries.map(({ account }) => account)).size).toBe(transfer.entries.length);
    if (transfer.kind === 'capture' && transfer.task !== undefined) captured.push(transfer.task);
  }
  apply(state, event);
  checkInvariants(state);
  for (const task of captured) expect(state.tasks.get(task as TaskId)?.hold).toBe('captured');
}

function settleAll(state: State, from: number, log: Event[]): void {
  let at = from;
  const run = (command: Command) => {
    const result = decide(state, command);
    if (!result.ok) throw new Error(result.refusal.message);
    for (const event of result.value) {
      replayInto(state, event);
      log.push(event);
    }
  };
  const live = [...state.jobs.values()].filter((job) => job.live > 0);
  for (const job of live) {
    run({ type: 'job.cancel', at, job: job.id, consumer: job.consumer });
  }
  at += 3_600_000;
  run({ type: 'tick', at, heard: new Map() });
}

function simulate(seed: number, commands: number): { log: Event[]; state: State } {
  submitted = 0;
  const dice = new Dice(seed);
  const state = createState();
  const log: Event[] = [];
  let at = 1_700_000_000_000;
  const opening: Command[] = [
    { type: 'log.open', at, origin: 'property', ruleset },
    { type: 'account.open', at, account: consumer },
    { type: 'account.open', at, account: other },
    { type: 'account.credit', at, account: consumer, amountNano: 10n ** 9n, ref: 'start' },
    { type: 'account.credit', at, account: other, amountNano: 10n ** 8n, ref: 'start' },
    ...[0, 1, 2].map(
      (n): Command => ({
        type: 'node.connect',
        at,
        node: nodeId(n),
        provider,
        offer: randomOffer(dice),
        accepting: true,
        held: [],
      }),
    ),
  ];
  for (let step = 0; step < commands; step++) {
    at += dice.pick([0, 10, 500, 500, 4000]);
    const command = opening[step] ?? randomCommand(state, dice, at);
    const before = step % 16 === 0 ? encodeState(state) : undefined;
    const result = decide(state, command);
    if (before !== undefined) {
      expect(encodeState(state)).toBe(before);
      // A coordinator that started from a snapshot decides the same.
      const copy = decodeState(before);
      expect(encodeState(copy)).toBe(before);
      checkInvariants(copy);
      expect(decide(copy, command)).toEqual(result);
    }
    if (!result.ok) continue;
    for (const event of result.value) {
      replayInto(state, event);
      log.push(event);
    }
    // What follows from the events of a decision is decided with them.
    for (const job of state.jobs.values()) expect(job.live + job.occupied).toBeGreaterThan(0);
    for (const node of state.nodes.values()) {
      expect(node.status === 'draining' && node.occupied.size === 0).toBe(false);
      expect(desiredAttempts(state, node).length).toBeLessThanOrEqual(node.occupied.size);
    }
  }
  settleAll(state, at, log);
  return { log, state };
}

it('holds every invariant, replays to the same state and settles to nothing, whatever happens', () => {
  const seen = new Set<string>();
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2 ** 31 - 1 }), (seed) => {
      const { log, state } = simulate(seed, 260);
      for (const event of log) {
        seen.add(event.type);
        if (event.type === 'attempt.ended') seen.add(event.then.kind).add(event.reason);
      }
      const paid = log.filter((event) => event.type === 'attempt.ended' && event.then.kind === 'succeeded');
      expect(new Set(paid.map((event) => ('task' in event ? event.task : ''))).size).toBe(paid.length);
      const replayed = createState();
      for (const event of JSON.parse(JSON.stringify(log)) as Event[]) apply(replayed, event);
      expect(stateHash(replayed)).toBe(stateHash(state));
      expect([state.jobs.size, state.tasks.size, state.waiting.size, state.house.holds]).toEqual([
        0,
        0,
        0,
        0n,
      ]);
      expect([state.stageClocks.size, state.backoffs.size, state.queueClocks.size]).toEqual([0, 0, 0]);
      for (const node of state.nodes.values())
        expect([node.occupied.size, node.takenDevices.size]).toEqual([0, 0]);
    }),
    { numRuns: 60 },
  );
  // The dice reach every kind of event and the ends that matter; else the property proves little.
  for (const name of [
    'log.opened',
    'ruleset.changed',
    'account.opened',
    'account.credited',
    'node.joined',
    'node.offered',
    'node.status_changed',
    'job.submitted',
    'job.cancelled',
    'task.ended',
    'job.settled',
    'attempt.assigned',
    'attempt.progressed',
    'attempt.ended',
    'attempt.released',
    'succeeded',
    'requeued',
    'failed',
    'node_lost',
    'assignment_timeout',
    'agent_failed',
    'run_timeout',
  ]) {
    expect(seen).toContain(name);
  }
}, 60_000);
