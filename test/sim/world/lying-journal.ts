import type { AttemptRecord } from '@capacloud/agent/core/attempt-record';
import type { Journal, LeaseNote, ReportDraft } from '@capacloud/agent/core/journal-port';
import type { AttemptKey } from '@capacloud/agent/core/ports';
import type { NodeId, TaskId } from '@capacloud/protocol/ids';
import { jobIdOf, taskIdOf, taskIndexOf } from '@capacloud/protocol/ids';
import { sha256Hex } from '@capacloud/protocol/log/hash';
import type { ReportItem } from '@capacloud/protocol/wire/frames';
import type { Receipt } from '@capacloud/protocol/wire/receipt';
import { kernel } from '../kernel/kernel.ts';
import { hashText, Prng } from '../kernel/prng.ts';
import { sameResult } from './engine.ts';
import type { Watch } from './watch.ts';

type Lie = (receipt: Receipt, random: Prng) => Receipt;

/** Each is a receipt that must not be believed as it stands. */
const lies: Readonly<Record<string, Lie>> = {
  'wrong nonce': (receipt) => ({
    ...receipt,
    nonce: receipt.nonce.replace(/^./, (c) => (c === '0' ? '1' : '0')),
  }),
  'exit code under completed': (receipt) => ({ ...receipt, reason: 'completed', exitCode: 3 }),
  'killed under completed': (receipt) => ({ ...receipt, reason: 'completed', exitCode: 0, oomKilled: true }),
  "another node's name": (receipt) => ({ ...receipt, node: `node_${'f'.repeat(40)}` as NodeId }),
  'output never brought': (receipt, random) => ({
    ...receipt,
    reason: 'completed',
    exitCode: 0,
    oomKilled: false,
    outputs: [{ path: '/out/x', sha256: sha256Hex(`never ${random.next()}`), sizeBytes: 7 }],
  }),
  "another's checkpoint": (receipt, random) => {
    const text = random.pick([sameResult, `result of ${earlierTask(receipt.task)} in attempt 1`]);
    const stolen = { path: '/state', sha256: sha256Hex(text), sizeBytes: text.length };
    return { ...receipt, reason: 'stopped', outputs: [stolen] };
  },
  "another's task": (receipt) => ({ ...receipt, task: earlierTask(receipt.task), attempt: 1 }),
  'another attempt': (receipt) => ({
    ...receipt,
    attempt: receipt.attempt > 1 ? receipt.attempt - 1 : 5000,
  }),
  'impossible times': (receipt) => ({ ...receipt, startedAt: 0, finishedAt: 9e12 }),
};

function sayMisfit({ exitCode: _code, ...receipt }: Receipt): Receipt {
  return { ...receipt, reason: 'image_wrong_platform', imageRunsOn: ['s390x'], outputs: [] };
}

/** One that was given to somebody before, or that there never is: no lie comes true while it is on its way. */
function earlierTask(task: TaskId): TaskId {
  const index = taskIndexOf(task);
  return taskIdOf(jobIdOf(task), index > 0 ? index - 1 : 9999);
}

/** The journal of an agent that lies about some attempts until all heals: to the coordinator, never to itself. */
export class LyingJournal implements Journal {
  readonly #kept: Journal;
  readonly #rate: number;
  readonly #watch: Watch;

  constructor(kept: Journal, rate: number, watch: Watch) {
    this.#kept = kept;
    this.#rate = rate;
    this.#watch = watch;
  }

  outbox(afterId: number, limit: number): readonly ReportItem[] {
    return this.#kept
      .outbox(afterId, limit)
      .map((item) => (item.kind === 'finished' ? this.#bend(item) : this.#setBack(item)));
  }

  /** A stage that is long over, in place of the present one. */
  #setBack(item: Extract<ReportItem, { kind: 'progress' }>): ReportItem {
    const { task, attempt, stage } = item;
    const random = new Prng(hashText(`${task} ${attempt} ${stage}`, kernel().seed), 'stage');
    if (stage === 'pulling' || this.#watch.isHealed || !random.chance(this.#rate)) return item;
    this.#watch.fault('stage that is over');
    return { ...item, stage: 'pulling' };
  }

  /** The same lie about an attempt each time it is told. */
  #bend(item: Extract<ReportItem, { kind: 'finished' }>): ReportItem {
    const { task, attempt } = item.receipt;
    const random = new Prng(hashText(`${task} ${attempt}`, kernel().seed), 'lie');
    if (this.#watch.isHealed || !random.chance(this.#rate)) return item;
    // Of what was stopped there may be a checkpoint, and only there such a lie has a point.
    const isStopped = item.receipt.reason === 'stopped' && random.chance(0.5);
    const other = random.pick(Object.keys(lies));
    // Such a word is taken, once from each owner; it must not close the network to a job.
    const isMisfit = new Prng(hashText(`${task} ${attempt}`, kernel().seed), 'misfit').chance(0.15);
    const name = isStopped ? "another's checkpoint" : isMisfit ? 'image for others' : other;
    const lie = isMisfit && !isStopped ? sayMisfit : lies[name];
    this.#watch.fault('receipt that lies', name);
    return lie === undefined ? item : { ...item, receipt: lie(item.receipt, random) };
  }

  attempts(): readonly AttemptRecord[] {
    return this.#kept.attempts();
  }
  attempt(key: AttemptKey): AttemptRecord | undefined {
    return this.#kept.attempt(key);
  }
  save(record: AttemptRecord, reports?: readonly ReportDraft[]): void {
    this.#kept.save(record, reports);
  }
  note(record: AttemptRecord): void {
    this.#kept.note(record);
  }
  get fault(): string | undefined {
    return this.#kept.fault;
  }
  recover(): void {
    this.#kept.recover();
  }
  append(reports: readonly ReportDraft[]): void {
    this.#kept.append(reports);
  }
  forget(key: AttemptKey): void {
    this.#kept.forget(key);
  }
  outboxSize(): number {
    return this.#kept.outboxSize();
  }
  holds(key: AttemptKey): boolean {
    return this.#kept.holds(key);
  }
  acknowledge(id: number): void {
    this.#kept.acknowledge(id);
  }
  saveLease(lease: LeaseNote): void {
    this.#kept.saveLease(lease);
  }
  lease(): LeaseNote | undefined {
    return this.#kept.lease();
  }
  coordinatorName(): string | undefined {
    return this.#kept.coordinatorName();
  }
  saveCoordinatorName(name: string): void {
    this.#kept.saveCoordinatorName(name);
  }
}
