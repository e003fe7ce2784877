import { keptOutputsProtocol, type ReportItem } from '@capacloud/protocol/frames';

/**
 * A report as a session of this protocol takes it: frames are closed, so an older coordinator would refuse what it does not
 * know. Done when it is sent, because a report outlives the session in which it was written.
 */
export function reportFor(protocol: number, item: ReportItem): ReportItem {
  if (protocol >= keptOutputsProtocol || item.kind !== 'finished') return item;
  const { links: _links, skipped: _skipped, log, outputs, ...receipt } = item.receipt;
  const { sizeBytes, truncated } = log;
  return {
    ...item,
    receipt: {
      ...receipt,
      outputs: outputs.filter(({ packed }) => packed === undefined),
      log: { sizeBytes, truncated },
    },
  };
}
