import type { Offer, Resources } from '@capacloud/protocol/capacity/resources';
import { deviceMilli } from '@capacloud/protocol/capacity/resources';

/** Class of a task without devices, and of nodes that have none. */
export const cpuClass = 'cpu';
/** The offer does not name the devices any more. */
const unknownClass = 'unknown';
/** What one unit may cost an hour on paper: as much as an amount on the wire may be. */
const maxUnitNano = 10n ** 18n;

/** The class of a task that has these devices of the offer: their models, with ` + ` between them. */
export function deviceClassOf({ devices }: Pick<Offer, 'devices'>, ids: readonly string[]): string {
  if (ids.length === 0) return cpuClass;
  const models = new Set(devices.flatMap(({ id, model }) => (ids.includes(id) ? model : [])));
  return models.size === 0 ? unknownClass : [...models].sort().join(' + ');
}

/** Thousandths of the devices that a task takes; of processors where it takes no device. */
export function unitsMilli({ cpuMilli, devices }: Resources): number {
  return devices === undefined ? cpuMilli : devices.count * deviceMilli(devices);
}

/** nano-CAPA an hour for one whole unit, with what of processors and memory comes with it; rounded up. */
export function unitRateNano(rateNano: bigint, milli: number): bigint {
  const units = BigInt(milli);
  const nano = (rateNano * 1000n + units - 1n) / units;
  return nano < maxUnitNano ? nano : maxUnitNano;
}
