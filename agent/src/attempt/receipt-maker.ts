import type { NodeId } from '@capacloud/protocol/ids';
import { toShownText } from '@capacloud/protocol/input/plain-text';
import type { Receipt } from '@capacloud/protocol/wire/receipt';
import type { AttemptRecord, Outcome } from '../core/attempt-record.ts';

const largestMessageChars = 500;

/** What the agent states about an attempt that has its outcome. */
export function makeReceipt(node: NodeId, record: AttemptRecord, outcome: Outcome): Receipt {
  const { assignment, ending } = record;
  const { gap, sizeBytes: logBytes, truncated } = record.log;
  return {
    version: 1,
    node,
    task: record.key.task,
    attempt: record.key.attempt,
    nonce: assignment.nonce,
    reason: outcome.reason,
    ...(outcome.message === undefined
      ? {}
      : { message: toShownText(toShownText(outcome.message).slice(0, largestMessageChars)) }),
    ...(ending?.exitCode === undefined ? {} : { exitCode: Math.min(255, Math.max(0, ending.exitCode)) }),
    oomKilled: ending?.oomKilled ?? false,
    ...(record.image === undefined ? {} : { image: record.image.slice(0, 200) }),
    ...(outcome.imageRunsOn === undefined ? {} : { imageRunsOn: [...outcome.imageRunsOn] }),
    ...(ending?.startedAtMs === undefined ? {} : { startedAt: Math.max(0, Math.floor(ending.startedAtMs)) }),
    ...(ending?.finishedAtMs === undefined
      ? {}
      : { finishedAt: Math.max(0, Math.floor(ending.finishedAtMs)) }),
    outputs: record.files.map(({ packed, path, sha256, sizeBytes }) => ({
      path,
      sha256,
      sizeBytes,
      ...(packed === undefined ? {} : { packed }),
    })),
    ...(record.links === undefined || record.links.length === 0 ? {} : { links: [...record.links] }),
    ...(record.emptyFolders === undefined || record.emptyFolders.length === 0
      ? {}
      : { emptyFolders: [...record.emptyFolders] }),
    ...(record.skipped === undefined ? {} : { skipped: record.skipped }),
    log: { sizeBytes: logBytes, truncated, ...(gap === undefined ? {} : { gap }) },
  };
}
