import Type, { type Static } from 'typebox';
import { maxAlternatives, maxModels } from '../capacity/limits.ts';
import type { DeviceRequest, Resources } from '../capacity/resources.ts';
import { normaliseModel } from '../capacity/resources.ts';
import { distinct, wholeItem } from '../input/distinct.ts';
import { maxProblems } from '../input/explain.ts';
import type { UnitReader } from '../input/unit-reader.ts';
import { expects } from '../input/wording.ts';
import { canonicalJson } from '../log/canonical.ts';
import { deviceClassOf, requestedModels } from './device-classes.ts';
import { gpuFault } from './gpu-names.ts';

const maxDevices = 64;

export const SizeSchema = Type.String({
  pattern: '^[0-9]+(\\.[0-9]+)?(Ki|Mi|Gi|Ti|K|k|M|G|T)?B?$',
  maxLength: 32,
  description: 'A size: 512Mi, 16Gi, 40GB.',
  ...expects('a size such as 512Mi, 16Gi or 40GB', 'size'),
});
const GpuRequest = Type.Object(
  {
    count: Type.Optional(Type.Integer({ minimum: 1, maximum: 64, default: 1 })),
    vendor: Type.Optional(Type.Union([Type.Literal('nvidia'), Type.Literal('amd'), Type.Literal('intel')])),
    model: Type.Optional(
      Type.Union(
        [
          Type.String({ minLength: 1, maxLength: 96 }),
          distinct(
            Type.Array(Type.String({ minLength: 1, maxLength: 96 }), { minItems: 1, maxItems: maxModels }),
            wholeItem,
          ),
        ],
        {
          ...expects('the name of a GPU such as rtx-4090, or a list of such names'),
          description:
            'Any of these: a class (rtx-4090, a100-80gb), a model as nodes name it (a100-sxm4-80gb), or the whole name with its maker (NVIDIA RTX 5000 Ada Generation).',
        },
      ),
    ),
    vram: Type.Optional({
      ...SizeSchema,
      description:
        'Of each GPU, as it is sold: up to a sixty-fourth less will do, which drivers keep for themselves.',
    } as typeof SizeSchema),
    compute_capability: Type.Optional(
      Type.String({
        pattern: '^[0-9]{1,2}\\.[0-9]{1,2}$',
        description: 'Minimum.',
        ...expects('a version such as "8.0"'),
      }),
    ),
    cuda: Type.Optional(
      Type.String({
        pattern: '^[0-9]{1,2}(\\.[0-9]{1,2})?$',
        description: 'Minimum that the driver supports.',
        ...expects('a version such as "12" or "12.4"'),
      }),
    ),
    share: Type.Optional(
      Type.Number({
        minimum: 0.001,
        maximum: 0.999,
        description:
          'A part of one GPU that others may share, in steps of 0.001. Their memory is not kept apart: each must stay within its part.',
      }),
    ),
  },
  { additionalProperties: false },
);

const Name = Type.String({
  minLength: 1,
  maxLength: 128,
  description: 'MODEL[:COUNT], for example 4090 or a100-80gb:2. `capacloud gpus` lists the models.',
});
const oneGpu = 'a model such as rtx-4090 or "a100-80gb:2", or a map such as { model: rtx-4090, count: 2 }';

/** `resources.gpu` of the job file. */
export const GpuSchema = Type.Union(
  [
    Type.Integer({ minimum: 0, maximum: maxDevices }),
    Name,
    GpuRequest,
    distinct(
      Type.Array(Type.Union([Name, GpuRequest], expects(oneGpu)), {
        minItems: 1,
        maxItems: maxAlternatives,
        description: 'Ordered alternatives: each task takes the first for which there is room.',
      }),
      wholeItem,
    ),
  ],
  expects(`a count from 0 to ${maxDevices}, ${oneGpu}, or a list of these`, 'gpu'),
);
type GpuField = Static<typeof GpuSchema> | undefined;

const pointer = '/resources/gpu';

/** `Array.isArray` does not tell a read-only list from the rest. */
function isList(gpu: GpuField): gpu is Extract<GpuField, readonly unknown[]> {
  return Array.isArray(gpu);
}

/** What is wanted, and what else will do. */
export function readGpu(gpu: GpuField, read: UnitReader): Pick<Resources, 'devices' | 'alternatives'> {
  if (!isList(gpu)) {
    const devices = readRequest(gpu, pointer, read);
    return devices === undefined ? {} : { devices };
  }
  const seen = new Set<string>();
  const [devices, ...alternatives] = gpu.flatMap((each, index) => {
    const request = readRequest(each, `${pointer}/${index}`, read);
    if (request === undefined) read.problem(`${pointer}/${index}`, 'must ask for at least one device');
    const text = canonicalJson(request ?? index);
    if (seen.has(text)) read.problem(`${pointer}/${index}`, 'asks for the same as one before it');
    seen.add(text);
    return request ?? [];
  });
  return {
    ...(devices === undefined ? {} : { devices }),
    ...(alternatives.length === 0 ? {} : { alternatives }),
  };
}

function readRequest(
  gpu: Exclude<GpuField, readonly unknown[]>,
  at: string,
  read: UnitReader,
): DeviceRequest | undefined {
  if (gpu === undefined || gpu === 0) return undefined;
  if (typeof gpu === 'number') return { count: gpu };
  return typeof gpu === 'string' ? readName(gpu, at, read) : readObject(gpu, at, read);
}

function readName(name: string, at: string, read: UnitReader): DeviceRequest | undefined {
  const [, model = name, countText] = /^(.*?)\s*:\s*([0-9]{1,4})$/.exec(name) ?? [];
  // "2" written as text is a count, as in Compose files; "4090" is not.
  const isCount = countText === undefined && /^[0-9]+$/.test(model) && deviceClassOf(model) === undefined;
  const count = Number(isCount ? model : (countText ?? 1));
  if (isCount && count === 0) return undefined;
  const most = `must ask for 1 to ${maxDevices} devices`;
  if (count < 1 || count > maxDevices)
    read.problem(at, isCount ? `${most}; a model is written as in rtx-4090` : most);
  return isCount ? { count } : { count, models: readModels([model], at, read) };
}

function readObject(gpu: Static<typeof GpuRequest>, at: string, read: UnitReader): DeviceRequest {
  const models =
    gpu.model === undefined
      ? undefined
      : readModels(typeof gpu.model === 'string' ? [gpu.model] : gpu.model, `${at}/model`, read);
  const shareMilli = gpu.share === undefined ? undefined : Math.round(gpu.share * 1000);
  if (shareMilli !== undefined && Math.abs(shareMilli - (gpu.share ?? 0) * 1000) > 1e-6)
    read.problem(`${at}/share`, 'must be a multiple of 0.001');
  if (shareMilli !== undefined && (gpu.count ?? 1) !== 1)
    read.problem(`${at}/share`, 'is of one GPU, so count must be 1');
  return {
    count: gpu.count ?? 1,
    ...(gpu.vendor === undefined ? {} : { vendor: gpu.vendor }),
    ...(models === undefined ? {} : { models }),
    ...(gpu.vram === undefined ? {} : { memoryBytes: read.size(`${at}/vram`, gpu.vram) }),
    ...(gpu.compute_capability === undefined ? {} : { computeCapability: gpu.compute_capability }),
    ...(gpu.cuda === undefined ? {} : { cuda: gpu.cuda }),
    ...(shareMilli === undefined ? {} : { shareMilli }),
  };
}

/** Names as nodes report them, all those of a class. */
function readModels(names: readonly string[], at: string, read: UnitReader): string[] {
  for (const name of names) {
    if (read.problems.length >= maxProblems) break;
    const fault = gpuFault(name);
    if (fault !== undefined) read.problem(at, fault);
  }
  const models = names.flatMap((name) => {
    const found = deviceClassOf(name);
    return found === undefined ? [normaliseModel(name)] : requestedModels(found);
  });
  const distinct = [...new Set(models)];
  if (distinct.length > maxModels)
    read.problem(at, `names more than ${maxModels} models, all those of its classes counted`);
  return distinct;
}
