import { type ReportItem, wireLimits } from '@capacloud/protocol/wire/frames';

/** Room for the frame around its items: numbers, type and signature. */
const envelopeBytes = 1024;

/** As many items from the front as one frame holds. Each single item fits: `largestReceiptBytes` sees to it. */
export function takeBatch(items: readonly ReportItem[]): readonly ReportItem[] {
  let bytes = envelopeBytes;
  let count = 0;
  for (const item of items.slice(0, wireLimits.itemsPerReport)) {
    bytes += Buffer.byteLength(JSON.stringify(item)) + 1;
    if (bytes > wireLimits.frameBytes && count > 0) break;
    count += 1;
  }
  return items.slice(0, count);
}
