import Type from 'typebox';
import { distinct, wholeItem } from '../input/distinct.ts';
import { expects } from '../input/wording.ts';
import { LabelsSchema, RegionSchema } from './labels.ts';
import { maxAlternatives, maxDurationMs, maxModels, maxOfferedDevices, maxSizeBytes } from './limits.ts';

const count = (maximum: number) => Type.Integer({ minimum: 0, maximum });

/** Canonical decimal string of nano-CAPA, 0 to 10^18. */
export const NanoSchema = Type.String({
  pattern: '^(0|[1-9][0-9]{0,18})$',
  maxLength: 19,
  description: 'nano-CAPA (10^-9 CAPA) as a decimal string.',
  ...expects('an amount of nano-CAPA in text, such as "1000000000" for 1 CAPA'),
});

/** Every agent normalises the name, so an honest agent sends no other characters. */
const modelPattern = '^[A-Za-z0-9][A-Za-z0-9 ._+/()-]*$';

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

/** Names of architectures as Go spells them; engines and registries use the same. */
export const archPattern = '^[a-z0-9_]{1,16}$';

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
