import type { OutcomeReason } from '@capacloud/protocol/catalogue/reasons';
import { type ReportItem } from '@capacloud/protocol/wire/frames';
import {
  emptyFoldersProtocol,
  imageBudgetProtocol,
  imagePlatformProtocol,
  keptOutputsProtocol,
  registryProtocol,
} from '@capacloud/protocol/wire/protocol-versions';
import type { Receipt } from '@capacloud/protocol/wire/receipt';

/**
 * A report as a session of this protocol takes it: frames are closed, so an older coordinator would refuse what it does not
 * know. Done when it is sent, because a report outlives the session in which it was written.
 */
export function reportFor(protocol: number, item: ReportItem): ReportItem {
  if (item.kind !== 'finished') return item;
  let { receipt } = item;
  for (const [since, older] of olderForms) if (protocol < since) receipt = older(receipt);
  return receipt === item.receipt ? item : { ...item, receipt };
}

function withoutFolders({ emptyFolders: _folders, ...receipt }: Receipt): Receipt {
  return receipt;
}

/** As it was before there was a reason of its own: another node may have more room. */
function withoutSize({ reason, ...receipt }: Receipt): Receipt {
  return { ...receipt, reason: reason === 'image_too_large' ? 'image_pull_failed' : reason };
}

const oldReasons: Partial<Record<OutcomeReason, OutcomeReason>> = {
  image_invalid: 'start_failed',
  image_refused: 'image_pull_failed',
  registry_failed: 'image_pull_failed',
  registry_not_allowed: 'image_pull_failed',
};

function withOldReason(receipt: Receipt): Receipt {
  return { ...receipt, reason: oldReasons[receipt.reason] ?? receipt.reason };
}

/** As it was before there was a reason of its own: another node may have the right processors. */
function withoutPlatforms({ imageRunsOn: _archs, reason, ...receipt }: Receipt): Receipt {
  return { ...receipt, reason: reason === 'image_wrong_platform' ? 'image_pull_failed' : reason };
}

function withPlainOutputs({ links: _links, skipped: _skipped, log, outputs, ...receipt }: Receipt): Receipt {
  const { sizeBytes, truncated } = log;
  return {
    ...receipt,
    outputs: outputs.filter(({ packed }) => packed === undefined),
    log: { sizeBytes, truncated },
  };
}

/** Newest first: what a coordinator of before that protocol is told instead. */
const olderForms: readonly (readonly [since: number, older: (receipt: Receipt) => Receipt])[] = [
  [emptyFoldersProtocol, withoutFolders],
  [imageBudgetProtocol, withoutSize],
  [registryProtocol, withOldReason],
  [imagePlatformProtocol, withoutPlatforms],
  [keptOutputsProtocol, withPlainOutputs],
];
