import Type, { type Static } from 'typebox';
import { distinct, wholeItem } from '../input/distinct.ts';
import { expects } from '../input/wording.ts';
import { LabelsSchema, RegionSchema } from './labels.ts';

const count = (maximum: number) => Type.Integer({ minimum: 0, maximum });
/** The most memory or disk that a message may name: 1 PiB. */
export const maxSizeBytes = 2 ** 50;
/** Longest time that a task may run or wait: 30 days. */
export const maxDurationMs = 30 * 24 * 3600 * 1000;

/** Canonical decimal string of nano-CAPA, 0 to 10^18. */
export const NanoSchema = Type.String({
  pattern: '^(0|[1-9][0-9]{0,18})$',
  maxLength: 19,
  description: 'nano-CAPA (10^-9 CAPA) as a decimal string.',
  ...expects('an amount of nano-CAPA in text, such as "1000000000" for 1 CAPA'),
});

/** Every agent normalises the name, so an honest agent sends no other characters. */
export const modelPattern = '^[A-Za-z0-9][A-Za-z0-9 ._+/()-]*$';

/** One GPU that a node reports. `id` is the UUID that the driver gives; it detects collisions and grants nothing. */
export const DeviceSchema = Type.Object(
  {
    id: Type.String({ minLength: 1, maxLength: 96, pattern: '^[A-Za-z0-9._:/-]+$' }),
    vendor: Type.Union([Type.Literal('nvidia'), Type.Literal('amd'), Type.Literal('intel')]),
    model: Type.String({
      minLength: 1,
      maxLength: 96,
      pattern: modelPattern,
      description: 'Normalised: rtx-4090, a100-sxm4-80gb.',
      ...expects('the model of a GPU in letters, digits, spaces and . _ + / ( ) -, such as rtx-4090'),
    }),
    memoryBytes: count(maxSizeBytes),
    computeCapability: Type.Optional(Type.String({ pattern: '^[0-9]{1,2}\\.[0-9]{1,2}$' })),
    cuda: Type.Optional(Type.String({ pattern: '^[0-9]{1,2}\\.[0-9]{1,2}$' })),
    health: Type.Union([Type.Literal('healthy'), Type.Literal('suspect'), Type.Literal('quarantined')]),
    reason: Type.Optional(Type.String({ maxLength: 200, description: 'Why it is not healthy.' })),
    shareable: Type.Optional(
      Type.Boolean({ description: 'Its owner lets several tasks use it at once, each a share.' }),
    ),
    fabric: Type.Optional(
      Type.Literal('degraded', {
        description: 'Its NVLink is not what it should be: work that needs several GPUs goes elsewhere.',
      }),
    ),
  },
  { additionalProperties: false },
);
export type Device = Static<typeof DeviceSchema>;

/** What the owner asks, in nano-CAPA. Each is per hour of one unit. */
export const AskSchema = Type.Object(
  {
    cpuHourNano: NanoSchema,
    memoryGibHourNano: NanoSchema,
    diskGibHourNano: NanoSchema,
    deviceHourNano: NanoSchema,
  },
  {
    additionalProperties: false,
    description: 'Prices per vCPU-hour, GiB-hour of memory, GiB-hour of disk, device-hour.',
  },
);
export type Ask = Static<typeof AskSchema>;

/** The prices of an agent whose owner sets none. They also stand in where no node of the network asks anything. */
export const standardAsk: Ask = {
  cpuHourNano: '10000000',
  memoryGibHourNano: '2000000',
  diskGibHourNano: '100000',
  deviceHourNano: '500000000',
};

/** The most devices in one offer: an offer has to fit a frame. */
export const maxOfferedDevices = 64;

/** Names of architectures as Go spells them; engines and registries use the same. */
export const archPattern = '^[a-z0-9_]{1,16}$';

/** What a node sells. */
export const OfferSchema = Type.Object(
  {
    cpuMilli: count(4_096_000),
    memoryBytes: count(maxSizeBytes),
    diskBytes: count(maxSizeBytes),
    slots: Type.Integer({ minimum: 1, maximum: 1024, description: 'Containers at once.' }),
    devices: distinct(Type.Array(DeviceSchema, { maxItems: maxOfferedDevices }), ['id']),
    arch: Type.String({ pattern: archPattern, description: 'amd64, arm64.' }),
    allowRoot: Type.Boolean({ description: 'The owner allows containers that run as root.' }),
    minRunMs: Type.Optional(
      Type.Integer({
        minimum: 1000,
        maximum: maxDurationMs,
        description: 'The owner takes no tasks whose run timeout is shorter.',
      }),
    ),
    ask: AskSchema,
    interruptibleDiscountPercent: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 95,
        description:
          'Jobs that may be interrupted pay so much less here, and are stopped when others who pay in full find no room.',
      }),
    ),
    region: Type.Optional(RegionSchema),
    labels: Type.Optional(LabelsSchema),
  },
  { additionalProperties: false },
);
export type Offer = Static<typeof OfferSchema>;

/** The most models that one request may name. */
export const maxModels = 16;

/** One kind of GPU a task wants. */
export const DeviceRequestSchema = Type.Object(
  {
    count: Type.Integer({ minimum: 1, maximum: 64 }),
    vendor: Type.Optional(Type.Union([Type.Literal('nvidia'), Type.Literal('amd'), Type.Literal('intel')])),
    models: Type.Optional(
      distinct(
        Type.Array(Type.String({ minLength: 1, maxLength: 96 }), {
          minItems: 1,
          maxItems: maxModels,
          description:
            'Any of these. Where a class was asked for, each with the least memory in GiB: rtx-4090@24.',
        }),
        wholeItem,
      ),
    ),
    memoryBytes: Type.Optional(count(maxSizeBytes)),
    computeCapability: Type.Optional(Type.String({ pattern: '^[0-9]{1,2}\\.[0-9]{1,2}$' })),
    cuda: Type.Optional(Type.String({ pattern: '^[0-9]{1,2}(\\.[0-9]{1,2})?$' })),
    shareMilli: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 999,
        description: 'Thousandths of one device that others may share; absent for whole devices.',
      }),
    ),
    fabric: Type.Optional(
      Type.Literal('sound', {
        description: 'Not on devices whose NVLink is degraded: the task uses several.',
      }),
    ),
  },
  { additionalProperties: false },
);
export type DeviceRequest = Static<typeof DeviceRequestSchema>;

/** The most requests of one job, the first included. */
export const maxAlternatives = 8;

/** What each task of a job takes of its node while it runs. It is public: the log shows it. */
export const ResourcesSchema = Type.Object(
  {
    cpuMilli: Type.Integer({ minimum: 1, maximum: 4_096_000 }),
    memoryBytes: Type.Integer({ minimum: 1, maximum: maxSizeBytes }),
    diskBytes: count(maxSizeBytes),
    shmBytes: count(maxSizeBytes),
    devices: Type.Optional(DeviceRequestSchema),
    alternatives: Type.Optional(
      distinct(
        Type.Array(DeviceRequestSchema, {
          minItems: 1,
          maxItems: maxAlternatives - 1,
          description: 'What will do where there is no room for `devices`, the better first.',
        }),
        wholeItem,
      ),
    ),
  },
  { additionalProperties: false },
);
export type Resources = Static<typeof ResourcesSchema>;

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
