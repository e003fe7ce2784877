import type { Ask, Resources } from '@capacloud/protocol/capacity/resources';
import { deviceMilli } from '@capacloud/protocol/capacity/resources';

/** Prices of one unit for an hour, in nano-CAPA. */
export interface AskNano {
  readonly cpuHourNano: bigint;
  readonly memoryGibHourNano: bigint;
  readonly diskGibHourNano: bigint;
  readonly deviceHourNano: bigint;
}

const gib = 2n ** 30n;
const msPerHour = 3_600_000n;
const basisPoints = 10_000n;

function divideUp(dividend: bigint, divisor: bigint): bigint {
  return (dividend + divisor - 1n) / divisor;
}

export function parseAsk(ask: Ask): AskNano {
  return {
    cpuHourNano: BigInt(ask.cpuHourNano),
    memoryGibHourNano: BigInt(ask.memoryGibHourNano),
    diskGibHourNano: BigInt(ask.diskGibHourNano),
    deviceHourNano: BigInt(ask.deviceHourNano),
  };
}

/**
 * nano-CAPA an hour for the resources of one task: exact, then rounded up once. Shared memory is part of memory. A
 * share of a device costs that part of it.
 */
export function rateNano(ask: AskNano, resources: Resources): bigint {
  const cpu = BigInt(resources.cpuMilli) * ask.cpuHourNano * gib;
  const memory = BigInt(resources.memoryBytes) * ask.memoryGibHourNano * 1000n;
  const disk = BigInt(resources.diskBytes) * ask.diskGibHourNano * 1000n;
  const milli = (resources.devices?.count ?? 0) * deviceMilli(resources.devices);
  const devices = BigInt(milli) * ask.deviceHourNano * gib;
  return divideUp(cpu + memory + disk + devices, gib * 1000n);
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
  const chargeNano = meteredNano < holdNano ? meteredNano : holdNano;
  const payNano = (chargeNano * (basisPoints - BigInt(feeBasisPoints))) / basisPoints;
  return { chargeNano, payNano, feeNano: chargeNano - payNano };
}
