import type { TaskReason } from '@capacloud/protocol/catalogue/reasons';

/** Milliseconds, all but `tasks`. */
export interface WaitFigures {
  readonly tasks: number;
  readonly mean: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

/** Tasks of a class at the end. */
export interface Leftovers {
  readonly waiting: number;
  readonly running: number;
  /** Since it was submitted, and why it waits; null where none does. Waits of these are not in the quantiles. */
  readonly longestWaiting: { readonly ms: number; readonly message: string } | null;
}

export interface ClassResult extends Leftovers {
  readonly name: string;
  /** Tasks that came while it was measured. */
  readonly submitted: number;
  /** Tasks of jobs that the coordinator refused, by the code of the refusal. */
  readonly refused: Readonly<Record<string, number>>;
  /** Ends while it was measured. */
  readonly succeeded: number;
  readonly failed: number;
  readonly expired: number;
  /** Why tasks failed or expired. */
  readonly reasons: Readonly<Partial<Record<TaskReason, number>>>;
  /** From the submission to the first assignment. */
  readonly wait: WaitFigures;
  /** From the submission to the success. */
  readonly turnaround: WaitFigures;
  readonly chargedNano: string;
}

/** Of one model of device; of processors where `name` is cpu. */
export interface PoolResult {
  readonly name: string;
  /** Device-hours, or hours of processors, that nodes offered while it was measured. */
  readonly offeredHours: number;
  /** Part of them that attempts held. */
  readonly utilisation: number;
  /** Of tasks that succeeded. For cpu: of those that used no device. */
  readonly paidHours: number;
  readonly chargedNano: string;
  /** chargedNano over paidHours; null where nothing was paid. */
  readonly priceNano: number | null;
}

export interface GroupResult {
  readonly name: string;
  readonly nodes: number;
  readonly providers: number;
  readonly earnedNano: string;
  /** Each node's mean. */
  readonly perNodeDayNano: number;
}

/** One interval; arrays stand in the order of the pools and groups. */
export interface SeriesPoint {
  /** Its end, in milliseconds from when it began to be measured. */
  readonly untilMs: number;
  /** 0 to 1; null where nothing was offered. */
  readonly utilisation: Readonly<Record<string, number | null>>;
  readonly priceNano: Readonly<Record<string, number | null>>;
  readonly waiting: number;
  readonly running: number;
  readonly succeeded: number;
  readonly feesNano: string;
  readonly earnedNano: Readonly<Record<string, string>>;
}

export interface VariantResult {
  readonly name: string;
  readonly classes: readonly ClassResult[];
  readonly pools: readonly PoolResult[];
  readonly groups: readonly GroupResult[];
  readonly feesNano: string;
  /** What consumers paid: the fees and what all groups earned. */
  readonly chargedNano: string;
  /** Attempts that ended, by reason, while it was measured. */
  readonly attempts: Readonly<Partial<Record<TaskReason, number>>>;
  readonly series: readonly SeriesPoint[];
  readonly wait: WaitFigures;
  /** Tasks that ended, the warm-up included. */
  readonly tasksEnded: number;
  readonly events: number;
  readonly stateHash: string;
}

export interface SimulationResult {
  readonly scenario: string;
  readonly seed: number;
  readonly durationMs: number;
  readonly warmUpMs: number;
  readonly intervalMs: number;
  readonly notes: readonly string[];
  readonly variants: readonly VariantResult[];
}
