import { cpuClass, unitRateNano } from '@capacloud/core/explain/market/device-class';
import type { TaskReason } from '@capacloud/protocol/catalogue/reasons';
import { type AccountId, type JobId, type NodeId, taskIdOf } from '@capacloud/protocol/ids';
import type { PageRequest, PriceRow, ReadStore, TradeRow } from '../ports/read-store.ts';
import type { CodeTable } from './codes.ts';
import { bucketSpans } from './market-history.ts';
import { cursorPairOf, pageOf, rowsToRead } from './page-cursor.ts';

interface StoredTrade {
  readonly event: bigint;
  readonly task: bigint;
  readonly attempt: bigint;
  readonly reason: bigint;
  readonly job_id: JobId;
  readonly node_id: NodeId;
  readonly provider_id: AccountId;
  readonly class_name: string | null;
  readonly units: bigint;
  readonly metered_ms: bigint | null;
  readonly assigned_at: bigint;
  readonly ended_at: bigint;
  readonly rate_nano: bigint;
  readonly charged_nano: bigint;
  readonly pay_nano: bigint;
}

interface StoredBucket {
  readonly class: bigint;
  readonly name: string;
  readonly start: bigint;
  readonly trades: bigint;
  readonly volume_ms: bigint;
  readonly min_nano: bigint;
  readonly max_nano: bigint;
  readonly charged_nano: bigint;
}

const selectTrades = `SELECT a.*, j.id AS job_id, n.id AS node_id, p.id AS provider_id, c.name AS class_name
  FROM attempts a JOIN jobs j ON j.num = a.job JOIN nodes n ON n.num = a.node JOIN accounts p ON p.num = a.provider
  LEFT JOIN device_classes c ON c.num = a.class
  WHERE (a.event, a.task) < (?, ?) ORDER BY a.event DESC, a.task DESC LIMIT ?`;
const selectBuckets = `SELECT b.*, c.name FROM price_buckets b JOIN device_classes c ON c.num = b.class`;
const spans = Object.keys(bucketSpans);
const hourMs = 3_600_000n;
const beyond = Number.MAX_SAFE_INTEGER;

type All = <R>(sql: string, ...values: unknown[]) => R[];

export function marketReads(
  all: All,
  reasons: CodeTable<string>,
): Pick<ReadStore, 'listTrades' | 'listPrices'> {
  return {
    async listTrades(page: PageRequest) {
      const before = cursorPairOf(page, [beyond, 0]);
      if (before === undefined) return undefined;
      const rows = all<StoredTrade>(selectTrades, ...before, rowsToRead(page));
      return pageOf(
        rows,
        page,
        (row) => tradeRow(row, reasons),
        ({ event, task }) => `${event}.${task}`,
      );
    },
    async listPrices({ span, deviceClass }, page: PageRequest) {
      const before = cursorPairOf(page, [beyond, 0]);
      if (before === undefined) return undefined;
      const position = spans.indexOf(span);
      const rows =
        deviceClass === undefined
          ? all<StoredBucket>(
              `${selectBuckets} WHERE b.span = ? AND (b.start, b.class) < (?, ?) ORDER BY b.start DESC, b.class DESC LIMIT ?`,
              position,
              ...before,
              rowsToRead(page),
            )
          : all<StoredBucket>(
              `${selectBuckets} WHERE b.span = ? AND b.class = (SELECT num FROM device_classes WHERE name = ?)
                AND b.start < ? ORDER BY b.start DESC LIMIT ?`,
              position,
              deviceClass,
              before[0],
              rowsToRead(page),
            );
      return pageOf(
        rows,
        page,
        (row) => priceRow(row, bucketSpans[span]),
        (row) => `${row.start}.${row.class}`,
      );
    },
  };
}

function tradeRow(row: StoredTrade, reasons: CodeTable<string>): TradeRow {
  return {
    ...(row.event < 0n ? {} : { event: Number(row.event) }),
    task: taskIdOf(row.job_id, Number(row.task)),
    attempt: Number(row.attempt),
    node: row.node_id,
    provider: row.provider_id,
    deviceClass: row.class_name ?? cpuClass,
    reason: reasons.nameOf(Number(row.reason)) as TaskReason,
    rateNano: row.rate_nano,
    unitRateNano: unitRateNano(row.rate_nano, Number(row.units)),
    chargedNano: row.charged_nano,
    payNano: row.pay_nano,
    ...(row.metered_ms === null ? {} : { meteredMs: Number(row.metered_ms) }),
    assignedAt: Number(row.assigned_at),
    endedAt: Number(row.ended_at),
  };
}

function priceRow(row: StoredBucket, spanMs: number): PriceRow {
  const { volume_ms: volume, charged_nano: charged, min_nano: min, max_nano: max } = row;
  // Charges are rounded up, and held to what was put aside: of short runs they say little about the price.
  const mean = volume === 0n ? undefined : (charged * hourMs + volume / 2n) / volume;
  return {
    deviceClass: row.name,
    from: Number(row.start) * spanMs,
    trades: Number(row.trades),
    volumeMs: Number(volume),
    minNano: min,
    ...(mean === undefined ? {} : { meanNano: mean < min ? min : mean > max ? max : mean }),
    maxNano: max,
    chargedNano: charged,
  };
}
