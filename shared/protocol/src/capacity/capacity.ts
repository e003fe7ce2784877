import type { Branded } from '../ids.ts';
import {
  type Dimension,
  type DimensionRow,
  dimensionNames,
  dimensionRows,
  dimensions,
} from './dimensions.ts';
import type { Offer, Resources } from './resources.ts';

/**
 * An amount of each dimension, in the order of the table: what a node offers, what is free, what a task needs. It is an
 * array because sums and comparisons go over all dimensions, and with names as keys these take eight times as long.
 */
export type Capacity = Branded<readonly number[], 'Capacity'>;
/** One that its owner counts up and down. */
export type MutableCapacity = Branded<number[], 'Capacity'>;

const width = dimensionRows.length;
const places = Object.fromEntries(dimensionNames.map((name, place) => [name, place])) as Readonly<
  Record<Dimension, number>
>;
const takenByAll = dimensionRows.flatMap(({ isTakenByAll, offered }, place) =>
  isTakenByAll ? [{ offered, place }] : [],
);
const shared = dimensionRows.flatMap(({ isShared }, place) => (isShared ? place : []));
/** V8 stores arrays with and without fractions differently. Each array is a copy of this one, so hot code sees one kind. */
const template = dimensionRows.map(() => 0.5);
const empty = noCapacity();
const nothing: readonly Dimension[] = [];

/** A number for each dimension, in the order of the table. */
export function perDimension(of: (row: DimensionRow) => number): number[] {
  const numbers = template.slice();
  let place = 0;
  for (const row of dimensionRows) numbers[place++] = of(row);
  return numbers;
}

/** Nothing of anything. */
export function noCapacity(): MutableCapacity {
  return perDimension(() => 0) as MutableCapacity;
}

export function copyOf(capacity: Capacity): MutableCapacity {
  return capacity.slice() as MutableCapacity;
}

/** All that a node offers. */
export function offeredBy(offer: Offer): MutableCapacity {
  return perDimension(({ offered }) => offered(offer)) as MutableCapacity;
}

/** What one task takes. */
export function needOf(resources: Resources): MutableCapacity {
  return perDimension(({ taken }) => taken(resources)) as MutableCapacity;
}

/** What a task keeps after its end while its outputs wait for room. */
export function keptForOutputs(resources: Resources): MutableCapacity {
  return perDimension(({ holdsOutputs, taken }) => (holdsOutputs ? taken(resources) : 0)) as MutableCapacity;
}

export function amountOf(capacity: Capacity, dimension: Dimension): number {
  return capacity[places[dimension]] ?? 0;
}

/** Changes `capacity`. */
export function add(capacity: MutableCapacity, more: Capacity): void {
  for (let place = 0; place < width; place++) capacity[place] = (capacity[place] ?? 0) + (more[place] ?? 0);
}

/** Changes `capacity`, which may go below zero: an offer may shrink below what runs. */
export function subtract(capacity: MutableCapacity, less: Capacity): void {
  for (let place = 0; place < width; place++) capacity[place] = (capacity[place] ?? 0) - (less[place] ?? 0);
}

/** Whether there is enough of everything: nothing is lacking. */
export function fits(free: Capacity, need: Capacity): boolean {
  for (let place = 0; place < width; place++) if ((free[place] ?? 0) < (need[place] ?? 0)) return false;
  return true;
}

/** Whether no amount is below zero. */
export function isWithin(free: Capacity): boolean {
  return fits(free, empty);
}

/** Writes one row of a table that holds the amounts of row after row. */
export function writeRow(table: number[], row: number, amounts: readonly number[]): void {
  const start = row * width;
  for (let place = 0; place < width; place++) table[start + place] = amounts[place] ?? 0;
}

/** As `fits`, for one row of such a table. */
export function fitsRow(table: readonly number[], row: number, need: Capacity): boolean {
  const start = row * width;
  for (let place = 0; place < width; place++)
    if ((table[start + place] ?? 0) < (need[place] ?? 0)) return false;
  return true;
}

/** The dimensions of which there is not enough. */
export function lacking(free: Capacity, need: Capacity): readonly Dimension[] {
  if (fits(free, need)) return nothing;
  return dimensionNames.filter((name) => amountOf(free, name) < amountOf(need, name));
}

/** How many times the need fits: 1 or more exactly where nothing is lacking. Infinite where nothing is needed. */
export function howMany(free: Capacity, need: Capacity): number {
  let most = Number.POSITIVE_INFINITY;
  for (let place = 0; place < width; place++) {
    const have = free[place] ?? 0;
    const each = need[place] ?? 0;
    if (have < each) return 0;
    if (each > 0) most = Math.min(most, Math.floor(have / each));
  }
  return most;
}

/** Whether something is left of every dimension that all tasks take. */
export function isOpenToTasks(free: Capacity): boolean {
  for (const { place } of takenByAll) if ((free[place] ?? 0) <= 0) return false;
  return true;
}

/** The dimensions that all tasks take and of which nothing is left. */
export function exhausted(free: Capacity): readonly Dimension[] {
  return dimensionNames.filter((name) => dimensions[name].isTakenByAll && amountOf(free, name) <= 0);
}

/**
 * The used share of the fullest dimension, of those that all tasks take: 0 to 1, above 1 where an offer shrank below what
 * runs, and 1 where nothing is offered.
 */
export function loadOf(offer: Offer, free: Capacity): number {
  let load = 0;
  for (const { offered: offeredOf, place } of takenByAll) {
    const offered = offeredOf(offer);
    load = Math.max(load, offered === 0 ? 1 : 1 - (free[place] ?? 0) / offered);
  }
  return load;
}

/** The largest share of what is offered, over the dimensions that compare consumers. */
export function largestShare(use: Capacity, offered: Capacity): number {
  let share = 0;
  for (const place of shared) share = Math.max(share, (use[place] ?? 0) / Math.max(1, offered[place] ?? 0));
  return share;
}
