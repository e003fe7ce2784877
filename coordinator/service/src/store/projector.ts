import type { AttemptEnded, Event } from '@capacloud/core/event';
import type { LedgerAccount, Transfer } from '@capacloud/core/ledger/transfers';
import { transfersOf } from '@capacloud/core/ledger/transfers';
import type { Job, NodeRecord, State, Task } from '@capacloud/core/state';
import { canonicalJson } from '@capacloud/protocol/canonical';
import { type JobId, jobIdOf, type NodeId, type TaskId, taskIndexOf } from '@capacloud/protocol/ids';
import type { TaskReason } from '@capacloud/protocol/reasons';
import { endedTaskStates, type JobStateName } from '@capacloud/protocol/views';
import type { RowBatch } from '../ports/log.ts';
import type { Projection } from '../ports/projection.ts';
import type { Aside } from '../ports/sequencer.ts';
import type { CodeTable } from './codes.ts';
import { jobStateCodes, nodeStatusCodes, taskStateCodes, transferKindCodes } from './codes.ts';
import { RowBuffer, type RowShapeName, rowShapeNames } from './row-shapes.ts';

/** What the projections know of an account beyond the state; the number is its key in every table. */
export interface AccountEntry {
  readonly num: number;
  readonly id: LedgerAccount;
  availableNano: bigint;
  heldNano: bigint;
}
export interface LiveJobEntry {
  readonly num: number;
  state: JobStateName;
  active: number;
  heldNano: bigint;
  chargedNano: bigint;
  endedAt: number | undefined;
}
/** What a projector starts from: all of it is in the tables. */
export interface ProjectorSeed {
  readonly accounts: readonly AccountEntry[];
  readonly nodes: readonly { readonly num: number; readonly id: NodeId; readonly joinedAt: number }[];
  readonly liveJobs: readonly (readonly [JobId, LiveJobEntry])[];
  readonly reasons: CodeTable<string>;
}

const nothing = Number.NaN;
/** Up to this many tasks a new job's rows are written one by one, because most are about to change in the same group. */
const spelledOutTasks = 256;

/**
 * Follows the events beside the state. It keeps what changed since the last `take` as references into the
 * state, so that a task which changes five times in one group is written once, as it is at the end.
 */
export class Projector implements Projection {
  readonly #accounts = new Map<string, AccountEntry>();
  readonly #nodes = new Map<NodeId, { readonly num: number; readonly joinedAt: number }>();
  readonly #jobs = new Map<JobId, LiveJobEntry>();
  readonly #reasons: CodeTable<string>;
  readonly #buffers: { readonly [N in RowShapeName]: RowBuffer };
  readonly #changedAccounts = new Set<AccountEntry>();
  readonly #changedNodes = new Set<NodeRecord>();
  readonly #newJobs = new Set<Job>();
  /** Whether the job has settled, and so leaves the live entries at the next `take`. */
  readonly #changedJobs = new Map<Job, boolean>();
  readonly #changedTasks = new Map<Task, number>();

  constructor(seed: ProjectorSeed) {
    this.#reasons = seed.reasons;
    for (const account of seed.accounts) this.#accounts.set(account.id, { ...account });
    for (const node of seed.nodes) this.#nodes.set(node.id, node);
    for (const [id, entry] of seed.liveJobs) this.#jobs.set(id, { ...entry });
    this.#buffers = Object.fromEntries(rowShapeNames.map((name) => [name, new RowBuffer(name)])) as {
      [N in RowShapeName]: RowBuffer;
    };
  }

  before(state: State, event: Event, index: number): void {
    switch (event.type) {
      case 'job.submitted':
        this.#jobs.set(event.job, {
          num: index,
          state: 'queued',
          active: 0,
          heldNano: 0n,
          chargedNano: 0n,
          endedAt: undefined,
        });
        break;
      case 'job.cancelled':
        for (const task of record(state.jobs, event.job).tasks) {
          if (endedTaskStates.includes(task.state)) continue;
          this.#abandon(task, event.at);
          this.#changedTasks.set(task, event.at);
        }
        break;
      case 'task.ended':
        this.#abandon(record(state.tasks, event.task), event.at);
        break;
      case 'job.settled':
        this.#touchJob(record(state.jobs, event.job), event.at, true);
        break;
      case 'attempt.ended':
        this.#endAttempt(state, event, index);
        break;
      default:
        break;
    }
    for (const transfer of transfersOf(state, event)) this.#book(state, transfer, index);
  }

  /** The task ends under its attempt, if it has one: the attempt ends with it, whatever the node says later. */
  #abandon(task: Task, at: number): void {
    if (task.state === 'queued') return;
    this.#jobOf(task.job).active -= 1;
    this.#addAttempt(task, task.attempt, 'cancelled', at, {});
  }

  #endAttempt(state: State, event: AttemptEnded, index: number): void {
    const task = record(state.tasks, event.task);
    const entry = this.#jobOf(task.job);
    const { then } = event;
    entry.active -= 1;
    if (then.kind !== 'succeeded') {
      this.#addAttempt(task, event.attempt, event.reason, event.at, { exitCode: event.exitCode });
      return;
    }
    const chargedNano = BigInt(then.chargeNano);
    entry.chargedNano += chargedNano;
    this.#addAttempt(task, event.attempt, event.reason, event.at, {
      exitCode: event.exitCode,
      meteredMs: then.meteredMs,
      chargedNano,
    });
    // One row a task for ever: a second pay meets the key, and the group with it fails.
    this.#buffers.pays.add([entry.num, task.index, index]);
  }

  #addAttempt(task: Task, attempt: number, reason: TaskReason, at: number, result: AttemptResult): void {
    if (task.node === undefined || task.provider === undefined)
      throw new Error('an attempt ended on no node');
    this.#buffers.attempts.add(
      [
        this.#jobOf(task.job).num,
        task.index,
        attempt,
        this.#nodeNum(task.node),
        this.#account(task.provider).num,
        this.#reasons.codeOf(reason),
        result.exitCode ?? nothing,
        result.meteredMs ?? nothing,
        task.assignedAt,
        task.runningSince === 0 ? nothing : task.runningSince,
        at,
      ],
      [task.rateNano, result.chargedNano ?? 0n],
    );
  }

  #book(state: State, transfer: Transfer, index: number): void {
    const job = transfer.job === undefined ? undefined : this.#jobOf(transfer.job);
    const task = transfer.task === undefined ? nothing : record(state.tasks, transfer.task).index;
    const kind = transferKindCodes.codeOf(transfer.kind);
    for (const { account, deltaNano } of transfer.entries) {
      const entry = this.#account(account);
      entry.availableNano += deltaNano;
      this.#changedAccounts.add(entry);
      this.#buffers.ledgerEntries.add(
        [entry.num, index, kind, transfer.at, job?.num ?? nothing, task],
        [deltaNano],
      );
      if (account === 'holds' && job !== undefined) job.heldNano += deltaNano;
    }
    this.#bookHeld(state, transfer);
  }

  /** What an account has put on hold, for itself and in its jobs. */
  #bookHeld(state: State, transfer: Transfer): void {
    const held = transfer.entries.find(({ account }) => account === 'holds');
    if (held === undefined || transfer.job === undefined) return;
    const consumer =
      state.jobs.get(transfer.job)?.consumer ??
      transfer.entries.find(({ account }) => account !== 'holds')?.account;
    if (consumer === undefined) throw new Error('a hold of nobody');
    const entry = this.#account(consumer);
    entry.heldNano += held.deltaNano;
    this.#changedAccounts.add(entry);
  }

  after(state: State, event: Event): void {
    switch (event.type) {
      case 'log.opened':
      case 'ruleset.changed':
      case 'account.credited':
      case 'attempt.released':
      case 'job.settled':
        break;
      case 'account.opened':
        this.#changedAccounts.add(this.#account(event.account));
        break;
      case 'node.joined':
        this.#nodes.set(event.node, { num: this.#nodes.size + 1, joinedAt: event.at });
        this.#touchNode(state, event.node);
        break;
      case 'node.offered':
      case 'node.status_changed':
        this.#touchNode(state, event.node);
        break;
      case 'job.submitted':
        this.#openJob(record(state.jobs, event.job), event.at);
        break;
      case 'job.cancelled':
        this.#touchJob(record(state.jobs, event.job), event.at);
        break;
      case 'attempt.assigned': {
        const task = this.#touchTask(state, event.task, event.at);
        const entry = this.#jobOf(task.job);
        entry.active += 1;
        entry.state = 'running';
        break;
      }
      case 'attempt.progressed':
        this.#changedTasks.set(record(state.tasks, event.task), event.at);
        break;
      case 'task.ended':
      case 'attempt.ended':
        this.#touchTask(state, event.task, event.at);
        break;
    }
  }

  #openJob(job: Job, at: number): void {
    this.#newJobs.add(job);
    if (job.tasks.length <= spelledOutTasks) {
      for (const task of job.tasks) this.#changedTasks.set(task, at);
    } else {
      const reason = this.#reasons.codeOf('submitted');
      this.#buffers.jobTasks.add([this.#jobOf(job.id).num, job.tasks.length, reason, at]);
    }
  }

  #touchTask(state: State, id: TaskId, at: number): Task {
    const task = record(state.tasks, id);
    this.#changedTasks.set(task, at);
    this.#touchJob(record(state.jobs, task.job), at);
    return task;
  }

  #touchJob(job: Job, at: number, settled = false): void {
    const entry = this.#jobOf(job.id);
    if (job.live === 0 && entry.endedAt === undefined) {
      entry.endedAt = at;
      entry.state = endedStateOf(job);
    }
    this.#changedJobs.set(job, settled);
  }

  #touchNode(state: State, id: NodeId): void {
    this.#changedNodes.add(record(state.nodes, id));
  }

  #jobOf(id: JobId): LiveJobEntry {
    return record(this.#jobs, id);
  }

  #nodeNum(id: NodeId): number {
    return record(this.#nodes, id).num;
  }

  #account(id: LedgerAccount): AccountEntry {
    let entry = this.#accounts.get(id);
    if (entry === undefined) {
      entry = { num: this.#accounts.size + 1, id, availableNano: 0n, heldNano: 0n };
      this.#accounts.set(id, entry);
      this.#changedAccounts.add(entry);
    }
    return entry;
  }

  aside(aside: Aside): void {
    const { jobSpecs, receipts, sessions, apiKeys, apiKeyRevocations, idempotency } = this.#buffers;
    switch (aside.kind) {
      case 'job_spec':
        jobSpecs.add(
          [this.#jobOf(aside.job).num],
          [],
          [aside.spec, aside.salt, aside.name ?? null, aside.image],
        );
        break;
      case 'receipt': {
        const job = this.#jobOf(jobIdOf(aside.task)).num;
        receipts.add([job, taskIndexOf(aside.task), aside.attempt], [], [aside.hash, aside.signed]);
        break;
      }
      case 'session':
        sessions.add([], [], [aside.sessionKey, aside.delegation, aside.signature]);
        break;
      case 'api_key':
        apiKeys.add(
          [aside.createdAt, aside.expiresAt ?? nothing],
          [],
          [aside.hash, aside.id, aside.account, aside.scopes, aside.name],
        );
        break;
      case 'api_key_revoked':
        apiKeyRevocations.add([aside.at], [], [aside.id]);
        break;
      case 'idempotency':
        idempotency.add(
          [aside.status, aside.at],
          [],
          [aside.account, aside.key, aside.requestHash, aside.body],
        );
        break;
    }
  }

  take(): readonly RowBatch[] {
    this.#writeAccounts();
    this.#writeNodes();
    this.#writeJobs();
    this.#writeTasks();
    for (const [job, settled] of this.#changedJobs) if (settled) this.#jobs.delete(job.id);
    this.#changedAccounts.clear();
    this.#changedNodes.clear();
    this.#newJobs.clear();
    this.#changedJobs.clear();
    this.#changedTasks.clear();
    const batches: RowBatch[] = [];
    for (const name of rowShapeNames)
      if (this.#buffers[name].rows > 0) batches.push(this.#buffers[name].take());
    return batches;
  }

  #writeAccounts(): void {
    for (const { num, id, availableNano, heldNano } of this.#changedAccounts)
      this.#buffers.accounts.add([num], [availableNano, heldNano], [id]);
  }

  #writeNodes(): void {
    for (const node of this.#changedNodes) {
      const { num, joinedAt } = record(this.#nodes, node.id);
      this.#buffers.nodes.add(
        [
          num,
          this.#account(node.provider).num,
          nodeStatusCodes.codeOf(node.status),
          node.accepting ? 1 : 0,
          joinedAt,
        ],
        [],
        [node.id, node.cause, canonicalJson(node.offer)],
      );
    }
  }

  #writeJobs(): void {
    for (const job of this.#newJobs) {
      const { terms } = job;
      this.#buffers.jobs.add(
        [
          this.#jobOf(job.id).num,
          this.#account(job.consumer).num,
          ...this.#countsOf(job),
          job.tasks.length,
          job.submittedAt,
          this.#changedJobs.get(job) === true ? 1 : 0,
        ],
        [terms.maxRateNano, this.#jobOf(job.id).heldNano, this.#jobOf(job.id).chargedNano],
        [job.id, canonicalJson(terms.resources), terms.specHash],
      );
    }
    for (const [job, settled] of this.#changedJobs) {
      if (this.#newJobs.has(job)) continue;
      const entry = this.#jobOf(job.id);
      this.#buffers.jobChanges.add(
        [entry.num, ...this.#countsOf(job), settled ? 1 : 0],
        [entry.heldNano, entry.chargedNano],
      );
    }
  }

  /** State, counts in the order of the columns, end. */
  #countsOf(job: Job): readonly number[] {
    const { active, state, endedAt } = this.#jobOf(job.id);
    return [
      jobStateCodes.codeOf(state),
      job.live - active,
      active,
      job.succeeded,
      job.failed,
      job.cancelledTasks,
      job.expired,
      endedAt ?? nothing,
    ];
  }

  #writeTasks(): void {
    const { tasks } = this.#buffers;
    for (const [task, at] of this.#changedTasks) {
      const { node, provider } = task;
      const placed = node !== undefined && provider !== undefined;
      tasks.add(
        [
          this.#jobOf(task.job).num,
          task.index,
          taskStateCodes.codeOf(task.state),
          this.#reasons.codeOf(task.reason),
          task.attempt,
          placed ? this.#nodeNum(node) : nothing,
          placed ? this.#account(provider).num : nothing,
          placed ? task.assignedAt : nothing,
          placed && task.runningSince !== 0 ? task.runningSince : nothing,
          at,
        ],
        [placed ? task.rateNano : 0n],
      );
    }
  }
}

interface AttemptResult {
  readonly exitCode?: number | undefined;
  readonly meteredMs?: number;
  readonly chargedNano?: bigint;
}

function endedStateOf(job: Job): JobStateName {
  if (job.succeeded === job.tasks.length) return 'succeeded';
  if (job.failed > 0) return 'failed';
  return job.expired > 0 ? 'expired' : 'cancelled';
}

function record<K, V>(map: ReadonlyMap<K, V>, key: K): V {
  const value = map.get(key);
  if (value === undefined) throw new Error(`the projection has no ${String(key)}`);
  return value;
}
