import { amountOf } from '@capacloud/protocol/capacity/capacity';
import { type Dimension, dimensionNames } from '@capacloud/protocol/capacity/dimensions';
import type { Offer } from '@capacloud/protocol/capacity/resources';
import type { ErrorCode } from '@capacloud/protocol/catalogue/errors';
import type { OutcomeReason } from '@capacloud/protocol/catalogue/reasons';
import type { AccountId, JobId, NodeId, Sha256Hex, TaskId } from '@capacloud/protocol/ids';
import { taskIdOf } from '@capacloud/protocol/ids';
import type { AttemptStage } from '@capacloud/protocol/wire/frames';
import type { Command, Contact, JobTerms } from '../contract/command.ts';
import type { Event, EventOf, EventType } from '../contract/event.ts';
import type { Ruleset } from '../contract/ruleset.ts';
import { defaultRuleset } from '../contract/ruleset.ts';
import { checkInvariants } from '../invariants.ts';
import { apply, decide } from '../machine.ts';
import { ScheduleNotes } from '../scheduler/schedule-notes.ts';
import type { Task } from '../slices/attempt/record.ts';
import type { Job } from '../slices/job/record.ts';
import type { NodeRecord } from '../slices/node/record.ts';
import { decodeState, encodeState } from '../snapshot.ts';
import type { State } from '../state.ts';
import { createState } from '../state.ts';

export const gib = 2 ** 30;
export const hash = 'a'.repeat(64) as Sha256Hex;
export const consumer = 'acc_consumer' as AccountId;
export const provider = 'acc_provider' as AccountId;

export function nodeId(n: number): NodeId {
  return `node_${n.toString(16).padStart(40, '0')}` as NodeId;
}
export function jobId(n: number): JobId {
  return `job_${n
    .toString()
    .padStart(20, '0')
    .replace(/[0-9]/g, (digit) => 'abcdefghij'[Number(digit)] ?? 'a')}` as JobId;
}

export function offer(change: Partial<Offer> = {}): Offer {
  return {
    cpuMilli: 8000,
    memoryBytes: 32 * gib,
    diskBytes: 100 * gib,
    slots: 4,
    devices: [],
    arch: 'amd64',
    allowRoot: false,
    ask: { cpuHourNano: '1000000', memoryGibHourNano: '0', diskGibHourNano: '0', deviceHourNano: '0' },
    ...change,
  };
}

/** One task of one CPU: 1,000,000 nano-CAPA an hour by the offer above. */
export function terms(change: Partial<JobTerms> = {}): JobTerms {
  return {
    specHash: hash,
    tasks: 1,
    resources: { cpuMilli: 1000, memoryBytes: gib, diskBytes: gib, shmBytes: 0 },
    needsRoot: false,
    providers: [],
    excludeProviders: [],
    maxRateNano: 10_000_000n,
    holdNano: 2_000_000n,
    queueTimeoutMs: 600_000,
    runTimeoutMs: 3_600_000,
    stopGraceMs: 10_000,
    maxAttempts: 2,
    retryOn: ['error', 'oom'],
    retryExitCodes: [],
    backoffInitialMs: 1000,
    backoffMaxMs: 8000,
    providerLost: 2,
    ...change,
  };
}

/** Networks of tests may be large, and nothing was paid there yet. */
const testRuleset: Ruleset = { ...defaultRuleset, maxUnprovenNodes: 1_000_000 };

/** A state, its log, and a clock that the test moves. Invariants are checked after every event. */
export class Machine {
  state: State = createState();
  notes = new ScheduleNotes();
  readonly log: Event[] = [];
  now = 1_700_000_000_000;

  constructor(ruleset: Ruleset = testRuleset) {
    this.run({ type: 'log.open', at: this.now, origin: 'test', ruleset });
  }

  /** An account with money, and one node that is ready. */
  static ready(nodes = 1, change: Partial<Offer> = {}, ruleset: Ruleset = testRuleset): Machine {
    const machine = new Machine(ruleset);
    machine.run({ type: 'account.open', at: machine.now, account: consumer });
    machine.run({
      type: 'account.credit',
      at: machine.now,
      account: consumer,
      amountNano: 10n ** 15n,
      ref: 'first',
    });
    for (let n = 0; n < nodes; n++) machine.connect(n, { offer: offer(change) });
    return machine;
  }

  run(command: Command): readonly Event[] {
    const result = decide(this.state, command, this.notes);
    if (!result.ok) throw new Error(`${command.type}: ${result.refusal.code} ${result.refusal.message}`);
    for (const event of result.value) this.accept(event);
    return result.value;
  }

  accept(event: Event): void {
    apply(this.state, event);
    this.log.push(event);
  }

  /** The code of the refusal; nothing may change. */
  refusal(command: Command): ErrorCode {
    const result = decide(this.state, command, this.notes);
    if (result.ok) throw new Error(`${command.type} is accepted: ${types(result.value).join()}`);
    return result.refusal.code;
  }

  wait(ms: number): this {
    this.now += ms;
    return this;
  }
  /** Restarts from a snapshot, and the scheduler has forgotten everything. */
  restart(): this {
    this.state = decodeState(encodeState(this.state));
    this.notes = new ScheduleNotes();
    return this;
  }
  check(): this {
    checkInvariants(this.state);
    return this;
  }

  connect(
    n: number,
    change: {
      offer?: Offer;
      accepting?: boolean;
      held?: [TaskId, number][];
      provider?: AccountId;
      saidAt?: number;
    } = {},
  ) {
    const held = (change.held ?? []).map(([task, attempt]) => ({ task, attempt }));
    const { accepting = true, provider: owner = provider } = change;
    // So that a place gives assignments alone.
    if (!this.state.accounts.has(owner)) this.run({ type: 'account.open', at: this.now, account: owner });
    return this.run({
      type: 'node.connect',
      at: this.now,
      node: nodeId(n),
      provider: owner,
      offer: change.offer ?? offer(),
      accepting,
      held,
      ...(change.saidAt === undefined ? {} : { saidAt: change.saidAt }),
    });
  }
  submit(n: number, change: Partial<JobTerms> = {}) {
    return this.run({ type: 'job.submit', at: this.now, job: jobId(n), consumer, terms: terms(change) });
  }
  cancel(n: number) {
    return this.run({ type: 'job.cancel', at: this.now, job: jobId(n), consumer });
  }
  place() {
    return this.run({ type: 'place', at: this.now });
  }
  /** What a place assigns. */
  assignments() {
    return only(this.place(), 'attempt.assigned');
  }
  /** All nodes named were heard of just now and all the time; the others when the log last shows them. */
  tick(...heard: number[]) {
    return this.tickHearing(heard.map((n) => [n, { lastAt: this.now, sinceAt: 0 }]));
  }
  tickHearing(contacts: readonly (readonly [number, Contact])[], listeningSince = 0) {
    const heard = new Map(contacts.map(([n, contact]) => [nodeId(n), contact]));
    return this.run({ type: 'tick', at: this.now, heard, listeningSince });
  }
  progress(task: Task, stage: AttemptStage): Command {
    const node = task.node ?? nodeId(0);
    return { type: 'attempt.progress', at: this.now, node, task: task.id, attempt: task.attempt, stage };
  }
  finish(task: Task, reason: OutcomeReason, claimedRunMs = 1e9, exitCode = 0): Command {
    const node = task.node ?? nodeId(0);
    const { attempt, id } = task;
    return {
      type: 'attempt.finish',
      at: this.now,
      node,
      task: id,
      attempt,
      reason,
      receipt: hash,
      claimedRunMs,
      exitCode,
    };
  }

  job(n: number): Job {
    return found(this.state.jobs.get(jobId(n)));
  }
  task(n: number, index = 0): Task {
    return found(this.state.tasks.get(taskIdOf(jobId(n), index)));
  }
  node(n: number): NodeRecord {
    return found(this.state.nodes.get(nodeId(n)));
  }

  /** What the node has left, by name. */
  free(n: number): Readonly<Record<Dimension, number>> {
    const { free } = this.node(n);
    return Object.fromEntries(dimensionNames.map((name) => [name, amountOf(free, name)])) as Record<
      Dimension,
      number
    >;
  }
  available(account: AccountId = consumer): bigint {
    return found(this.state.accounts.get(account)).availableNano;
  }
}

function found<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('not in the state');
  return value;
}

export function types(events: readonly Event[]): EventType[] {
  return events.map((event) => event.type);
}
export function only<T extends EventType>(events: readonly Event[], type: T): EventOf<T>[] {
  return events.filter((event): event is EventOf<T> => event.type === type);
}
