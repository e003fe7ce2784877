import type { ReportItem } from '@capacloud/protocol/wire/frames';

interface ReportText {
  readonly type: string;
  readonly items: readonly ReportItem[];
}

/**
 * What somebody between an agent and the coordinator could make of a frame: a receipt with a better end, or a longer run,
 * under the signature of the true one. Undefined where there is none in it.
 */
export function forge(text: string): string | undefined {
  if (!text.includes('"kind":"finished"')) return undefined;
  const frame = JSON.parse(text) as ReportText;
  const items = frame.items.map((item): ReportItem => {
    if (item.kind !== 'finished') return item;
    const { receipt } = item;
    const finishedAt = (receipt.finishedAt ?? 0) + 60_000;
    const better = { reason: 'completed', exitCode: 0, oomKilled: false, finishedAt } as const;
    return { ...item, receipt: { ...receipt, ...better } };
  });
  return JSON.stringify({ ...frame, items });
}
