import { type JobId, jobIdOf, taskIndexOf } from '@capacloud/protocol/ids';
import type { Aside } from '../ports/sequencer.ts';
import type { SessionAside } from './node-history.ts';
import { nothing, type RowBuffers } from './row-buffer.ts';

/** Sessions are for the history of nodes to write. */
export function addAside(
  buffers: RowBuffers,
  aside: Exclude<Aside, SessionAside>,
  numOf: (job: JobId) => number,
): void {
  const { jobSpecs, receipts, lateReceipts, delegations, apiKeys, apiKeyRevocations, idempotency } = buffers;
  switch (aside.kind) {
    case 'job_spec':
      jobSpecs.add([numOf(aside.job)], [], [aside.spec, aside.salt, aside.name ?? null, aside.image]);
      break;
    case 'receipt': {
      if (aside.isLate)
        lateReceipts.add([numOf(jobIdOf(aside.task)), taskIndexOf(aside.task), aside.attempt, aside.event]);
      receipts.add(
        [aside.event, aside.position, aside.size],
        [],
        [aside.delegation, aside.receipt, aside.path, aside.signature],
      );
      break;
    }
    case 'delegation':
      delegations.add([], [], [aside.digest, aside.delegation, aside.signature]);
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
