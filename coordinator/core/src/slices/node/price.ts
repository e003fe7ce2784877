import { perDimension } from '@capacloud/protocol/capacity/capacity';
import { askKeys, dimensionRows } from '@capacloud/protocol/capacity/dimensions';
import type { Ask, Resources } from '@capacloud/protocol/capacity/resources';
import { deviceMilli } from '@capacloud/protocol/capacity/resources';

/** Prices of one unit for an hour, in nano-CAPA. */
export type AskNano = Readonly<Record<keyof Ask, bigint>>;

const width = dimensionRows.length;
/** A multiple of each unit that has a price, so that sums of prices are exact. */
const commonUnit = 1000n * 2n ** 30n;
const devicesInCommon = commonUnit / 1000n;
const priced = dimensionRows.flatMap(({ price, taken }) =>
  price === undefined ? [] : [{ taken, ask: price.ask, inCommon: commonUnit / BigInt(price.unit) }],
);
const msPerHour = 3_600_000n;
const basisPoints = 10_000n;

function divideUp(dividend: bigint, divisor: bigint): bigint {
  return (dividend + divisor - 1n) / divisor;
}

/** What is not asked for costs nothing: an older agent does not name later prices. */
function asked(ask: Readonly<Partial<Ask>>, key: keyof Ask): string {
  return ask[key] ?? '0';
}

export function parseAsk(ask: Ask): AskNano {
  return Object.fromEntries(askKeys.map((key) => [key, BigInt(asked(ask, key))])) as AskNano;
}

/**
 * nano-CAPA an hour for the resources of one task: exact, then rounded up once. Shared memory is part of memory. A
 * share of a device costs that part of it.
 */
export function rateNano(ask: AskNano, resources: Resources): bigint {
  const milli = (resources.devices?.count ?? 0) * deviceMilli(resources.devices);
  let sum = BigInt(milli) * ask.deviceHourNano * devicesInCommon;
  for (const { ask: key, inCommon, taken } of priced) sum += BigInt(taken(resources)) * ask[key] * inCommon;
  return divideUp(sum, commonUnit);
}

/** Equal for asks with equal prices. */
export function pricesText(ask: Ask | AskNano): string {
  return askKeys.map((key) => ask[key]).join(' ');
}

/** What a task takes of each dimension, in the units of its price. */
export function pricedUnits(resources: Resources): readonly number[] {
  return perDimension(({ price, taken }) => (price === undefined ? 0 : taken(resources) / price.unit));
}

/** Prices of each dimension, as floating point. */
export function nanoByDimension(ask: Ask): readonly number[] {
  return perDimension(({ price }) => (price === undefined ? 0 : Number(asked(ask, price.ask))));
}

/** `sum` and what the units cost by the prices that stand in `nano` from `start` on, in floating point. */
export function addCost(
  sum: number,
  units: readonly number[],
  nano: readonly number[],
  start: number,
): number {
  let cost = sum;
  for (let place = 0; place < width; place++) cost += (units[place] ?? 0) * (nano[start + place] ?? 0);
  return cost;
}

/** Of a task that was sold as interruptible: rounded up, as the whole is. */
export function discounted(rate: bigint, percent: number): bigint {
  return divideUp(rate * BigInt(100 - percent), 100n);
}

export interface Charge {
  readonly chargeNano: bigint;
  readonly payNano: bigint;
  readonly feeNano: bigint;
}

/** Never above the hold. What the provider gets is rounded down, and the fee is the remainder. */
export function priceRun(rate: bigint, meteredMs: number, holdNano: bigint, feeBasisPoints: number): Charge {
  const meteredNano = divideUp(rate * BigInt(meteredMs), msPerHour);
  // PAY-2
  const chargeNano = meteredNano < holdNano ? meteredNano : holdNano;
  const payNano = (chargeNano * (basisPoints - BigInt(feeBasisPoints))) / basisPoints;
  return { chargeNano, payNano, feeNano: chargeNano - payNano };
}
