import { isActive } from '@capacloud/core/slices/attempt/task-states';
import type { State } from '@capacloud/core/state';
import { type LedgerReading, readLedger } from './ledger-reading.ts';
import type { Measures } from './measures.ts';
import type { GroupResult, PoolResult, SeriesPoint } from './results.ts';
import type { NodeGroup } from './scenario/scenario.ts';
import type { Area, Usage } from './usage.ts';

const milliMsPerHour = 1000 * 3_600_000;
const dayMs = 24 * 3_600_000;

interface SeriesParts {
  readonly state: State;
  readonly usage: Usage;
  readonly measures: Measures;
  readonly groups: readonly NodeGroup[];
  /** When the warm-up is over. */
  readonly fromAt: number;
}

interface PoolSum {
  used: number;
  offered: number;
  chargedNano: bigint;
  milliMs: number;
}

/** Closes one interval after the other, and sums them up. */
export class Series {
  readonly #parts: SeriesParts;
  readonly #pools = new Map<string, PoolSum>();
  readonly points: SeriesPoint[] = [];
  #first: LedgerReading;
  #last: LedgerReading;
  #succeeded = 0;

  constructor(parts: SeriesParts) {
    this.#parts = parts;
    this.#first = readLedger(parts.state, parts.groups);
    this.#last = this.#first;
  }

  /** What came so far is not measured. */
  begin(at: number): void {
    const { groups, measures, state, usage } = this.#parts;
    usage.take(at);
    measures.takePaid();
    this.#first = readLedger(state, groups);
    this.#last = this.#first;
  }

  close(at: number): void {
    const { fromAt, groups, measures, state, usage } = this.#parts;
    const areas = usage.take(at);
    const paid = measures.takePaid();
    for (const [name, { offered, used }] of areas) {
      const pool = this.#pool(name);
      pool.used += used;
      pool.offered += offered;
    }
    for (const [name, { chargedNano, milliMs }] of paid) {
      const pool = this.#pool(name);
      pool.chargedNano += chargedNano;
      pool.milliMs += milliMs;
    }
    const ledger = readLedger(state, groups);
    this.points.push({
      untilMs: at - fromAt,
      utilisation: Object.fromEntries([...areas].map(([name, area]) => [name, partOf(area)])),
      priceNano: Object.fromEntries([...paid].map(([name, each]) => [name, priceOf(each)])),
      ...countTasks(state),
      succeeded: measures.succeeded - this.#succeeded,
      feesNano: `${ledger.feesNano - this.#last.feesNano}`,
      earnedNano: Object.fromEntries(
        groups.map(({ name }, index) => [
          name,
          `${(ledger.earnedNano[index] ?? 0n) - (this.#last.earnedNano[index] ?? 0n)}`,
        ]),
      ),
    });
    this.#last = ledger;
    this.#succeeded = measures.succeeded;
  }

  pools(): readonly PoolResult[] {
    return [...this.#pools].map(([name, pool]) => ({
      name,
      offeredHours: pool.offered / milliMsPerHour,
      utilisation: partOf(pool) ?? 0,
      paidHours: pool.milliMs / milliMsPerHour,
      chargedNano: `${pool.chargedNano}`,
      priceNano: priceOf(pool),
    }));
  }

  groups(durationMs: number): readonly GroupResult[] {
    return this.#parts.groups.map(({ name, offers, providers }, index) => {
      const earnedNano = (this.#last.earnedNano[index] ?? 0n) - (this.#first.earnedNano[index] ?? 0n);
      const nodeDays = (offers.length * durationMs) / dayMs;
      return {
        name,
        nodes: offers.length,
        providers,
        earnedNano: `${earnedNano}`,
        perNodeDayNano: nodeDays === 0 ? 0 : Math.round(Number(earnedNano) / nodeDays),
      };
    });
  }

  get feesNano(): bigint {
    return this.#last.feesNano - this.#first.feesNano;
  }

  #pool(name: string): PoolSum {
    let pool = this.#pools.get(name);
    if (pool === undefined) {
      pool = { used: 0, offered: 0, chargedNano: 0n, milliMs: 0 };
      this.#pools.set(name, pool);
    }
    return pool;
  }
}

function partOf({ offered, used }: Area): number | null {
  return offered === 0 ? null : used / offered;
}

function priceOf({ chargedNano, milliMs }: Pick<PoolSum, 'chargedNano' | 'milliMs'>): number | null {
  return milliMs === 0 ? null : Math.round((Number(chargedNano) * milliMsPerHour) / milliMs);
}

export function countTasks(state: State): { readonly waiting: number; readonly running: number } {
  let waiting = 0;
  let running = 0;
  for (const task of state.tasks.values()) {
    if (task.state === 'queued') waiting += 1;
    else if (isActive(task.state)) running += 1;
  }
  return { waiting, running };
}
