import type { Static } from 'typebox';
import type {
  AskSchema,
  DeviceRequestSchema,
  DeviceSchema,
  OfferSchema,
  ResourcesSchema,
} from './resources-schema.ts';

/** One GPU that a node reports. `id` is the UUID that the driver gives; it detects collisions and grants nothing. */
export type Device = Static<typeof DeviceSchema>;

/** What the owner asks, in nano-CAPA. Each is per hour of one unit. */
export type Ask = Static<typeof AskSchema>;

/** What a node sells. */
export type Offer = Static<typeof OfferSchema>;

/** One kind of GPU a task wants. */
export type DeviceRequest = Static<typeof DeviceRequestSchema>;

/** What each task of a job takes of its node while it runs. It is public: the log shows it. */
export type Resources = Static<typeof ResourcesSchema>;

/** The prices of an agent whose owner sets none. They also stand in where no node of the network asks anything. */
export const standardAsk: Ask = {
  cpuHourNano: '10000000',
  memoryGibHourNano: '2000000',
  diskGibHourNano: '100000',
  deviceHourNano: '500000000',
};

/** The devices of one alternative; 0 is the preferred one. Undefined where the job has no such alternative. */
export function requestOf(
  { devices, alternatives }: Resources,
  alternative: number,
): DeviceRequest | undefined {
  return alternative === 0 ? devices : alternatives?.[alternative - 1];
}

/** What a task takes if it runs by one alternative of its job. */
export function resourcesBy(resources: Resources, alternative: number): Resources {
  if (resources.alternatives === undefined) return resources;
  const { alternatives: _others, ...rest } = resources;
  const devices = requestOf(resources, alternative);
  return devices === undefined ? rest : { ...rest, devices };
}

/** One for each alternative, in order of preference. */
export function alternativesOf(resources: Resources): readonly Resources[] {
  const count = 1 + (resources.alternatives?.length ?? 0);
  return Array.from({ length: count }, (_, alternative) => resourcesBy(resources, alternative));
}

/** Thousandths of each device that a request takes; 0 where none is asked for. */
export function deviceMilli(request: DeviceRequest | undefined): number {
  return request === undefined ? 0 : (request.shareMilli ?? 1000);
}

/**
 * Normalises a product name so that "NVIDIA GeForce RTX 4090", "GeForce RTX 4090" and "RTX4090" meet:
 * lower case, vendor and brand words dropped, digits and letters separated by single dashes.
 */
export function normaliseModel(name: string): string {
  return name
    .toLowerCase()
    .replace(/\b(nvidia|geforce|amd|radeon|intel|corporation|graphics)\b/g, ' ')
    .replace(/\b(rtx|gtx)\s*-?\s*(\d)/g, '$1-$2')
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '');
}
