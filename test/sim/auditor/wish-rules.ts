import type { Constraint, DeviceRequest, JobTerms, Offer, Resources } from './entry.ts';

/** What a job may wish for beside room and price, as the documentation of the job file has it. */

function saidOf(offer: Offer, key: string): string | undefined {
  if (key === 'region') return offer.region;
  if (key === 'arch') return offer.arch;
  return new Map(Object.entries(offer.labels ?? {})).get(key);
}

function holds(said: string | undefined, { operator, values }: Constraint): boolean {
  const isListed = said !== undefined && values.some((value) => value === said);
  const isNumber = said !== undefined && /^\d+$/.test(said);
  const [limit = '0'] = values;
  if (operator === 'in') return isListed;
  if (operator === 'not_in') return !isListed;
  if (operator === 'exists') return said !== undefined;
  if (operator === 'not_exists') return said === undefined;
  if (operator === 'gt') return isNumber && BigInt(said) > BigInt(limit);
  return operator === 'lt' && isNumber && BigInt(said) < BigInt(limit);
}

/** Whether the node is where the job wants to be, and says what the job wants to hear. */
export function isWhereAsked(offer: Offer, { regions, constraints = [] }: JobTerms): boolean {
  const isThere = regions === undefined || regions.some((region) => region === offer.region);
  return isThere && constraints.every((constraint) => holds(saidOf(offer, constraint.key), constraint));
}

/** What an attempt takes by the alternative that the log names; undefined where the job has none of that number. */
export function takenBy(wanted: Resources, alternative = 0): Resources | undefined {
  const { cpuMilli, memoryBytes, diskBytes, devices, alternatives = [] } = wanted;
  const requests = [devices, ...alternatives];
  if (!Number.isInteger(alternative) || alternative < 0 || alternative >= requests.length) return undefined;
  const request = requests[alternative];
  return { cpuMilli, memoryBytes, diskBytes, ...(request === undefined ? {} : { devices: request }) };
}

const fields = [
  'count',
  'vendor',
  'models',
  'memoryBytes',
  'computeCapability',
  'cuda',
  'shareMilli',
] as const satisfies readonly (keyof DeviceRequest)[];

/** Whether two requests ask for the same. */
export function isSameRequest(one: DeviceRequest | undefined, other: DeviceRequest | undefined): boolean {
  return fields.every((field) => `${one?.[field]?.toString()}` === `${other?.[field]?.toString()}`);
}
