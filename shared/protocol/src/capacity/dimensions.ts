import type { Ask, Offer, Resources } from './resources.ts';

/** One thing that nodes sell by amount. A GPU is chosen by its properties, so it is no dimension. */
interface RowOf<S extends string, C extends string, V extends string> {
  /** What a node offers of it, and what one task takes: whole numbers. */
  readonly offered: (offer: Offer) => number;
  readonly taken: (resources: Resources) => number;
  /** Every task takes some of it, so a node that has none left takes no task. */
  readonly isTakenByAll: boolean;
  /** It counts in the dominant share, by which the scheduler compares consumers. */
  readonly isShared: boolean;
  /** Outputs lie on it, so it stays taken while they wait for room at the coordinator. */
  readonly holdsOutputs: boolean;
  /** Which price of an ask is for it, and the amount that the price is for; absent where it has no price of its own. */
  readonly price?: { readonly ask: keyof Ask; readonly unit: number };
  readonly noun: string;
  readonly unit: 'count' | 'milli' | 'bytes';
  /** Its key in views of nodes. */
  readonly view: V;
  /** Where a node may offer less than one task takes; absent where that cannot be. */
  readonly shortage?: {
    /** The code of the obstacle, and a sentence about nodes that have it. */
    readonly code: S;
    readonly sentence: string;
    /** The field of the job file that asks for it, and how an amount is spelled there: rounded down, so that it fits. */
    readonly pointer: string;
    readonly spelled: (amount: number) => string;
    /** In words for owners: rounded up, so that it is enough. */
    readonly inWords: (amount: number) => string;
  };
  /** The obstacle where other tasks use it. */
  readonly contention: { readonly code: C; readonly sentence: string };
}

const mebibyte = 2 ** 20;
const gibibyte = 2 ** 30;

function inMebibytes(bytes: number): string {
  return `${Math.floor(bytes / mebibyte)}Mi`;
}

/**
 * The one table of dimensions. Whatever compares what is free with what is needed derives from it, on both sides of the
 * wire; a further dimension is a row here and a field of the schemas of offers and resources.
 */
export const dimensions = {
  slots: {
    offered: ({ slots }) => slots,
    // guard: stay within the offered slots
    taken: () => 1,
    isTakenByAll: true,
    isShared: false,
    holdsOutputs: false,
    noun: 'tasks',
    unit: 'count',
    view: 'slots',
    contention: { code: 'busy_slots', sentence: 'run as many containers as they may' },
  },
  cpuMilli: {
    offered: ({ cpuMilli }) => cpuMilli,
    // guard: stay within the offered processors
    taken: ({ cpuMilli }) => cpuMilli,
    isTakenByAll: true,
    isShared: true,
    holdsOutputs: false,
    price: { ask: 'cpuHourNano', unit: 1000 },
    noun: 'CPU',
    unit: 'milli',
    view: 'cpu_milli',
    shortage: {
      code: 'cpu',
      sentence: 'offer too few processors',
      pointer: '/resources/cpu',
      spelled: (milli) => `${milli}m`,
      inWords: (milli) => `${milli / 1000} processors`,
    },
    contention: { code: 'busy_cpu', sentence: 'have their processors in use' },
  },
  memoryBytes: {
    offered: ({ memoryBytes }) => memoryBytes,
    // guard: stay within the offered memory
    taken: ({ memoryBytes }) => memoryBytes,
    isTakenByAll: true,
    isShared: true,
    holdsOutputs: false,
    price: { ask: 'memoryGibHourNano', unit: gibibyte },
    noun: 'memory',
    unit: 'bytes',
    view: 'memory_bytes',
    shortage: {
      code: 'memory',
      sentence: 'offer too little memory',
      pointer: '/resources/memory',
      spelled: inMebibytes,
      inWords: (bytes) => `${Math.ceil(bytes / mebibyte)} MiB of memory`,
    },
    contention: { code: 'busy_memory', sentence: 'have their memory in use' },
  },
  diskBytes: {
    offered: ({ diskBytes }) => diskBytes,
    taken: ({ diskBytes }) => diskBytes,
    isTakenByAll: false,
    isShared: false,
    holdsOutputs: true,
    price: { ask: 'diskGibHourNano', unit: gibibyte },
    noun: 'disk',
    unit: 'bytes',
    view: 'disk_bytes',
    shortage: {
      code: 'disk',
      sentence: 'offer too little disk',
      pointer: '/resources/disk',
      spelled: inMebibytes,
      inWords: (bytes) => `${Math.ceil(bytes / mebibyte)} MiB of disk`,
    },
    contention: { code: 'busy_disk', sentence: 'have their disk in use' },
  },
} as const satisfies Readonly<Record<string, RowOf<string, string, string>>>;

export type Dimension = keyof typeof dimensions;
type Row = (typeof dimensions)[Dimension];

/** Codes of the obstacles that the table brings. */
export type Shortage = Extract<Row, { readonly shortage: object }>['shortage']['code'];
export type Contention = Row['contention']['code'];

export type DimensionView = Row['view'];
export type DimensionRow = RowOf<Shortage, Contention, DimensionView>;

export const dimensionNames = Object.keys(dimensions) as readonly Dimension[];
/** In the order of the table, in which a Capacity has its amounts. */
export const dimensionRows: readonly DimensionRow[] = Object.values(dimensions);
/** Prices of an ask: those of the table, and that of a device. */
export const askKeys: readonly (keyof Ask)[] = [
  ...dimensionRows.flatMap(({ price }) => price?.ask ?? []),
  'deviceHourNano',
];
/** As people read them: first what tasks take, then how many tasks. */
export const shownRows = dimensionRows.toSorted(
  (a, b) => Number(a.unit === 'count') - Number(b.unit === 'count'),
);
/** The dimension of which there is too little where a node has the obstacle. */
export const rowOfShortage = Object.fromEntries(
  dimensionRows.flatMap((row) => (row.shortage === undefined ? [] : [[row.shortage.code, row]])),
) as Readonly<Record<Shortage, DimensionRow & Required<Pick<DimensionRow, 'shortage'>>>>;

export function rowOf(dimension: Dimension): DimensionRow {
  return dimensions[dimension];
}

export function isContention(code: string): code is Contention {
  return dimensionRows.some(({ contention }) => contention.code === code);
}

export function isShortage(code: string): code is Shortage {
  return Object.hasOwn(rowOfShortage, code);
}
