import type { Offer } from '@capacloud/protocol/capacity/resources';
import type { NodeId } from '@capacloud/protocol/ids';
import type { Assignment } from '@capacloud/protocol/wire/frames';
import type { Logger } from 'pino';
import { newAttempt } from '../core/attempt-record.ts';
import type { Clock } from '../core/clock.ts';
import { type Journal, outboxLimit } from '../core/journal-port.ts';
import type { Lease } from '../core/lease.ts';
import { itemsPerAttempt, refusalReason } from '../core/policy.ts';
import { attemptKeyText } from '../core/ports.ts';
import type { Sentence } from '../core/sentence.ts';
import { makeReceipt } from './receipt-maker.ts';

export interface AdmissionParts {
  readonly node: NodeId;
  readonly journal: Journal;
  readonly lease: Lease;
  readonly clock: Clock;
  readonly log: Logger;
  readonly offer: () => Offer;
}

/** Takes an assignment into the journal, or reports why not. A repeated one changes nothing. */
export function admit(parts: AdmissionParts, assignment: Assignment, closed: Sentence | undefined): void {
  const { clock, journal, lease, log, node, offer } = parts;
  const record = newAttempt(assignment, clock.nowMs());
  // ADMIT-1
  // guard: an assignment is taken once
  if (journal.attempt(record.key) !== undefined) return;
  const refusal = closed ?? refusalReason(assignment, offer());
  if (refusal === undefined) {
    const { task, attempt } = record.key;
    if (lease.untilMs !== undefined) {
      journal.saveLease({ bootId: clock.bootId, untilBootMs: lease.untilMs });
    }
    journal.save(record, [{ kind: 'progress', task, attempt, stage: 'pulling', atMs: clock.nowMs() }]);
    return;
  }
  log.warn({ attempt: attemptKeyText(record.key), refusal }, 'an attempt was refused');
  // Room for the reports of what is held is never given away; the coordinator then learns by its own clock.
  const kept = journal.attempts().length * itemsPerAttempt;
  if (journal.outboxSize() + kept + 1 > outboxLimit) return;
  const outcome = { reason: 'refused', message: refusal } as const;
  journal.append([{ kind: 'finished', receipt: makeReceipt(node, record, outcome) }]);
}
