import type { Offer, Resources } from './resources.ts';

/** What nodes sell by amount. A GPU is chosen by its properties and not by an amount, so it is no dimension. */
export interface DimensionRow {
  /** What a node offers of it, and what one task takes: whole numbers. */
  readonly offered: (offer: Offer) => number;
  readonly taken: (resources: Resources) => number;
  /** Each task takes some, so a node that has nothing left of it takes no task. */
  readonly isTakenByAll: boolean;
  /** Consumers are compared by their shares of what the network offers of it. */
  readonly isShared: boolean;
  /** The outputs of a task lie on it: it stays taken while they wait for room at the coordinator. */
  readonly holdsOutputs: boolean;
  readonly noun: string;
  readonly unit: 'count' | 'milli' | 'bytes';
  /** The obstacle where a node offers less than one task takes; absent where that cannot be. */
  readonly shortage?: { readonly code: string; readonly sentence: string; readonly pointer: string };
  /** The obstacle where other tasks use it. */
  readonly contention: { readonly code: string; readonly sentence: string };
}

/**
 * The one table of dimensions. Whatever compares what is free with what is needed derives from it, on both sides of the
 * wire; a further dimension is a row here and a field of the schemas of offers and resources.
 */
export const dimensions = {
  slots: {
    offered: ({ slots }) => slots,
    taken: () => 1,
    isTakenByAll: true,
    isShared: false,
    holdsOutputs: false,
    noun: 'tasks',
    unit: 'count',
    contention: { code: 'busy_slots', sentence: 'run as many containers as they may' },
  },
  cpuMilli: {
    offered: ({ cpuMilli }) => cpuMilli,
    taken: ({ cpuMilli }) => cpuMilli,
    isTakenByAll: true,
    isShared: true,
    holdsOutputs: false,
    noun: 'CPU',
    unit: 'milli',
    shortage: { code: 'cpu', sentence: 'offer too few processors', pointer: '/resources/cpu' },
    contention: { code: 'busy_cpu', sentence: 'have their processors in use' },
  },
  memoryBytes: {
    offered: ({ memoryBytes }) => memoryBytes,
    taken: ({ memoryBytes }) => memoryBytes,
    isTakenByAll: true,
    isShared: true,
    holdsOutputs: false,
    noun: 'memory',
    unit: 'bytes',
    shortage: { code: 'memory', sentence: 'offer too little memory', pointer: '/resources/memory' },
    contention: { code: 'busy_memory', sentence: 'have their memory in use' },
  },
  diskBytes: {
    offered: ({ diskBytes }) => diskBytes,
    taken: ({ diskBytes }) => diskBytes,
    isTakenByAll: false,
    isShared: false,
    holdsOutputs: true,
    noun: 'disk',
    unit: 'bytes',
    shortage: { code: 'disk', sentence: 'offer too little disk', pointer: '/resources/disk' },
    contention: { code: 'busy_disk', sentence: 'have their disk in use' },
  },
} as const satisfies Readonly<Record<string, DimensionRow>>;

export type Dimension = keyof typeof dimensions;
type Row = (typeof dimensions)[Dimension];

/** Codes of the obstacles that the table brings. */
export type Shortage = Extract<Row, { readonly shortage: object }>['shortage']['code'];
export type Contention = Row['contention']['code'];

export const dimensionNames = Object.keys(dimensions) as readonly Dimension[];
/** In the order of the table, in which a Capacity has its amounts. */
export const dimensionRows: readonly DimensionRow[] = Object.values(dimensions);

/** The dimension of which nodes offer too little, where the code says so. */
export function shortDimension(code: string): Dimension | undefined {
  return dimensionNames.find((name) => rowOf(name).shortage?.code === code);
}

export function isContention(code: string): code is Contention {
  return dimensionRows.some(({ contention }) => contention.code === code);
}

export function isShortage(code: string): code is Shortage {
  return shortDimension(code) !== undefined;
}

export function rowOf(dimension: Dimension): DimensionRow {
  return dimensions[dimension];
}
