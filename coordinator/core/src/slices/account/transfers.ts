import type { AccountId, JobId, TaskId } from '@capacloud/protocol/ids';
import { invariant, mustGet } from '../../assert.ts';
import type { AttemptEnded, Event } from '../../contract/event.ts';
import type { ReadOnly } from '../../read-only.ts';
import type { State } from '../../state.ts';
import type { Task } from '../attempt/record.ts';
import type { Job } from '../job/record.ts';

/** The accounts of the house, and those of consumers and providers. */
export type LedgerAccount = AccountId | 'holds' | 'fees' | 'emission' | 'penalties' | 'custody';

export interface TransferEntry {
  readonly account: LedgerAccount;
  readonly deltaNano: bigint;
}

/** Money that moves at once. Its entries sum to zero; no account stands in it twice, and none with 0. */
export interface Transfer {
  readonly kind: 'grant' | 'hold' | 'capture' | 'void' | 'expire';
  readonly at: number;
  readonly job?: JobId;
  readonly task?: TaskId;
  readonly entries: readonly TransferEntry[];
}

const none: readonly Transfer[] = [];

/**
 * What `apply(state, event)` will move. Call it before apply. Apply uses it too, so that a projection cannot tell
 * another story than the state. A transfer of nothing is left out.
 */
export function transfersOf(state: ReadOnly<State>, event: Event): readonly Transfer[] {
  switch (event.type) {
    case 'account.credited':
      return [
        { kind: 'grant', at: event.at, entries: move('emission', event.account, BigInt(event.amountNano)) },
      ];
    case 'job.submitted': {
      const totalNano = BigInt(event.holdNano) * BigInt(event.tasks);
      if (totalNano === 0n) return none;
      return [
        { kind: 'hold', at: event.at, job: event.job, entries: move(event.consumer, 'holds', totalNano) },
      ];
    }
    case 'job.cancelled': {
      const job = mustGet(state.jobs, event.job, 'job');
      const totalNano = job.terms.holdNano * BigInt(job.live);
      if (totalNano === 0n) return none;
      return [{ kind: 'void', at: event.at, job: job.id, entries: move('holds', job.consumer, totalNano) }];
    }
    case 'task.ended': {
      const task = mustGet(state.tasks, event.task, 'task');
      return release(state, task, event.outcome === 'expired' ? 'expire' : 'void', event.at);
    }
    case 'attempt.ended': {
      if (event.then.kind === 'requeued') return none;
      const task = mustGet(state.tasks, event.task, 'task');
      if (event.then.kind === 'failed') return release(state, task, 'void', event.at);
      return capture(mustGet(state.jobs, task.job, 'job'), task, event);
    }
    case 'subject.isolated':
    case 'subject.reinstated':
    case 'log.opened':
    case 'ruleset.changed':
    case 'account.opened':
    case 'node.joined':
    case 'node.offered':
    case 'node.status_changed':
    case 'node.forgotten':
    case 'image.poisoned':
    case 'job.settled':
    case 'attempt.assigned':
    case 'attempt.progressed':
    case 'attempt.released':
    case 'upload.held':
    case 'upload.resumed':
      return none;
  }
}

function move(from: LedgerAccount, to: LedgerAccount, amountNano: bigint): readonly TransferEntry[] {
  return [
    { account: from, deltaNano: -amountNano },
    { account: to, deltaNano: amountNano },
  ];
}

function release(
  state: ReadOnly<State>,
  task: ReadOnly<Task>,
  kind: 'void' | 'expire',
  at: number,
): readonly Transfer[] {
  const job = mustGet(state.jobs, task.job, 'job');
  if (job.terms.holdNano === 0n) return none;
  return [{ kind, at, job: job.id, task: task.id, entries: move('holds', job.consumer, job.terms.holdNano) }];
}

/** The hold of one task ends: the provider is paid, the house keeps its fee, the rest goes back. */
function capture(job: ReadOnly<Job>, task: ReadOnly<Task>, event: AttemptEnded): readonly Transfer[] {
  invariant(event.then.kind === 'succeeded' && task.provider !== undefined, `${task.id}: nobody to pay`);
  const holdNano = job.terms.holdNano;
  if (holdNano === 0n) return none;
  const payNano = BigInt(event.then.payNano);
  const feeNano = BigInt(event.then.feeNano);
  const refundNano = holdNano - BigInt(event.then.chargeNano);
  const entries: TransferEntry[] = [{ account: 'holds', deltaNano: -holdNano }];
  if (task.provider === job.consumer) {
    add(entries, job.consumer, payNano + refundNano);
  } else {
    add(entries, task.provider, payNano);
    add(entries, job.consumer, refundNano);
  }
  add(entries, 'fees', feeNano);
  return [{ kind: 'capture', at: event.at, job: job.id, task: task.id, entries }];
}

function add(entries: TransferEntry[], account: LedgerAccount, deltaNano: bigint): void {
  if (deltaNano !== 0n) entries.push({ account, deltaNano });
}
