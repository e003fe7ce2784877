import type { Branded } from '../ids.ts';
import { type Dimension, dimensionNames, dimensionRows } from './dimensions.ts';
import type { Offer, Resources } from './resources.ts';

/**
 * An amount of each dimension, in the order of the table: what a node offers, what is free, what a task needs. An array,
 * because sums and comparisons go over all dimensions: with the names as keys they take eight times as long.
 */
export type Capacity = Branded<Float64Array, 'Capacity'>;

const width = dimensionRows.length;
const places = Object.fromEntries(dimensionNames.map((name, place) => [name, place])) as Readonly<
  Record<Dimension, number>
>;

/** Nothing of anything. */
export function noCapacity(): Capacity {
  return new Float64Array(width) as Capacity;
}

export function copyOf(capacity: Capacity): Capacity {
  return capacity.slice() as Capacity;
}

/** All that a node offers. */
export function offeredBy(offer: Offer): Capacity {
  const offered = noCapacity();
  for (const [place, row] of dimensionRows.entries()) offered[place] = row.offered(offer);
  return offered;
}

/** What one task takes. */
export function needOf(resources: Resources): Capacity {
  const need = noCapacity();
  for (const [place, row] of dimensionRows.entries()) need[place] = row.taken(resources);
  return need;
}

/** What a task keeps after its end while its outputs wait for room. */
export function keptForOutputs(resources: Resources): Capacity {
  const kept = noCapacity();
  for (const [place, row] of dimensionRows.entries())
    if (row.holdsOutputs) kept[place] = row.taken(resources);
  return kept;
}

/** Where a dimension stands in a Capacity: for loops that cannot pay for a name. */
export function placeOf(dimension: Dimension): number {
  return places[dimension];
}

export function amountOf(capacity: Capacity, dimension: Dimension): number {
  return capacity[places[dimension]] ?? 0;
}

/** By name, for people and tests. */
export function amountsOf(capacity: Capacity): Readonly<Record<Dimension, number>> {
  return Object.fromEntries(dimensionNames.map((name) => [name, amountOf(capacity, name)])) as Record<
    Dimension,
    number
  >;
}

/** Changes `capacity`. */
export function add(capacity: Capacity, more: Capacity): void {
  for (let place = 0; place < width; place++) capacity[place] = (capacity[place] ?? 0) + (more[place] ?? 0);
}

/** Changes `capacity`. It may go below zero: an offer may shrink below what runs. */
export function subtract(capacity: Capacity, less: Capacity): void {
  for (let place = 0; place < width; place++) capacity[place] = (capacity[place] ?? 0) - (less[place] ?? 0);
}

/** Whether there is enough of everything: nothing is lacking. */
export function fits(free: Capacity, need: Capacity): boolean {
  for (let place = 0; place < width; place++) if ((free[place] ?? 0) < (need[place] ?? 0)) return false;
  return true;
}

/** The dimensions of which there is not enough. */
export function lacking(free: Capacity, need: Capacity): readonly Dimension[] {
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
