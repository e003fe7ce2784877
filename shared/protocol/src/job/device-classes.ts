import { type Device, normaliseModel } from '../capacity/resources.ts';

/** Devices that do the same work and that people call by one name, whatever their drivers call them. */
export interface DeviceClass {
  readonly id: string;
  readonly vendor: Device['vendor'];
  /** Of one device, as it is sold. What has the name and clearly less memory is another device, such as a laptop's or a slice. */
  readonly memoryGib: number;
  /** As nodes report them, normalised. Each stands for those that it begins, too: h100 for h100-pcie. */
  readonly models: readonly string[];
  /** What people call them besides. */
  readonly aliases: readonly string[];
}

function deviceClass(
  vendor: Device['vendor'],
  id: string,
  memoryGib: number,
  names: { readonly models?: readonly string[]; readonly aliases?: readonly string[] } = {},
): DeviceClass {
  return { id, vendor, memoryGib, models: names.models ?? [id], aliases: names.aliases ?? [] };
}

const nvidia = deviceClass.bind(undefined, 'nvidia');
const amd = deviceClass.bind(undefined, 'amd');
const intel = deviceClass.bind(undefined, 'intel');

/** Cards are sold as 4090, 4090 Ti and RTX4090Ti. */
function geForce(number: string, memoryGib: number, suffix = ''): DeviceClass {
  const id = `rtx-${number}${suffix === '' ? '' : `-${suffix}`}`;
  const tight = `${number}${suffix}`;
  const aliases = suffix === '' ? [number] : [`${number}-${suffix}`, tight, `rtx-${tight}`];
  return nvidia(id, memoryGib, { aliases });
}

/**
 * A request by one of these names takes every device of the class. A job's terms hold the models, not the class, so an
 * entry may change without changing what a log means. A name that is not here is taken as the model that it names.
 */
export const deviceClasses: readonly DeviceClass[] = [
  nvidia('gb300', 270),
  nvidia('gb200', 184),
  nvidia('b300', 262),
  nvidia('b200', 180),
  // Its memory is the machine's: 128 GB, of which the system keeps some.
  nvidia('gb10', 112, { aliases: ['dgx-spark'] }),
  nvidia('h200', 141, { aliases: ['h200-141gb', 'h200-sxm', 'h200-sxm5'] }),
  nvidia('gh200', 96),
  nvidia('h100', 80, { aliases: ['h100-80gb'] }),
  nvidia('h100-sxm', 80, {
    models: ['h100-80gb-hbm3', 'h100-sxm5'],
    aliases: ['h100-sxm5', 'h100-sxm5-80gb', 'h100-sxm-80gb'],
  }),
  nvidia('h100-nvl', 94, { aliases: ['h100-94gb'] }),
  nvidia('a100-80gb', 80, {
    models: ['a100-sxm4-80gb', 'a100-80gb-pcie', 'a100-pcie-80gb'],
    aliases: ['a100-80g', 'a100-sxm-80gb'],
  }),
  nvidia('a100-40gb', 40, {
    models: ['a100-sxm4-40gb', 'a100-pcie-40gb'],
    aliases: ['a100-40g', 'a100-sxm-40gb'],
  }),
  nvidia('h800', 80),
  nvidia('h20', 96, { aliases: ['h20-96gb'] }),
  nvidia('h20-141gb', 141, { models: ['h20', 'h20-3e'], aliases: ['h20-3e'] }),
  nvidia('a800-80gb', 80, {
    models: ['a800-sxm4-80gb', 'a800-80gb-pcie', 'a800-pcie-80gb'],
    aliases: ['a800', 'a800-80g'],
  }),
  nvidia('a800-40gb', 40, { models: ['a800-40gb', 'a800-sxm4-40gb', 'a800-pcie-40gb'] }),
  nvidia('a40', 48),
  nvidia('a30', 24),
  nvidia('a10', 24),
  nvidia('a10g', 24),
  nvidia('l40s', 48),
  nvidia('l40', 48),
  nvidia('l20', 48),
  nvidia('l4', 24),
  nvidia('t4', 16, { models: ['tesla-t4', 't4'] }),
  nvidia('v100', 16, { models: ['tesla-v100', 'v100', 'tesla-v100s', 'v100s'] }),
  nvidia('v100-32gb', 32, {
    models: ['sxm2', 'sxm3', 'pcie'].flatMap((form) => [`tesla-v100-${form}-32gb`, `v100-${form}-32gb`]),
    aliases: ['v100-32g'],
  }),
  nvidia('p100', 16, { models: ['tesla-p100', 'p100'] }),
  nvidia('p40', 24, { models: ['tesla-p40', 'p40'] }),
  nvidia('rtx-pro-6000', 96, { aliases: ['pro-6000'] }),
  nvidia('rtx-6000-ada', 48, { aliases: ['6000-ada'] }),
  nvidia('rtx-a6000', 48, { aliases: ['a6000'] }),
  nvidia('rtx-a5000', 24, { aliases: ['a5000'] }),
  nvidia('rtx-a4000', 16, { aliases: ['a4000'] }),
  geForce('5090', 32),
  geForce('5080', 16),
  geForce('5070', 16, 'ti'),
  geForce('5070', 12),
  geForce('4090', 24),
  geForce('4080', 16),
  geForce('4070', 12, 'ti'),
  geForce('3090', 24),
  geForce('3090', 24, 'ti'),
  geForce('3080', 10),
  geForce('3080', 12, 'ti'),
  geForce('3070', 8),
  geForce('3060', 12),
  geForce('2080', 11, 'ti'),
  amd('mi355x', 288, { models: ['instinct-mi355x', 'mi355x'] }),
  amd('mi325x', 256, { models: ['instinct-mi325x', 'mi325x'] }),
  amd('mi300x', 192, { models: ['instinct-mi300x', 'mi300x'] }),
  amd('mi250x', 128, { models: ['instinct-mi250x', 'mi250x'] }),
  amd('mi210', 64, { models: ['instinct-mi210', 'mi210'] }),
  amd('rx-7900-xtx', 24, { aliases: ['7900-xtx', '7900xtx', 'rx-7900xtx'] }),
  intel('max-1550', 128, { models: ['data-center-gpu-max-1550', 'max-1550'] }),
  intel('arc-a770', 16, { aliases: ['a770'] }),
];

const byName = new Map(
  deviceClasses.flatMap((each) => [each.id, ...each.aliases].map((name) => [name, each] as const)),
);

/**
 * How a request says "this model with its class's memory": `rtx-4090@24`, in GiB. No normalised name holds an @, so logs of older
 * releases mean what they meant.
 */
const memoryMark = '@';

/** The models of a class as a request names them. */
export function requestedModels({ memoryGib, models }: DeviceClass): readonly string[] {
  return models.map((model) => `${model}${memoryMark}${memoryGib}`);
}

/** A requested model apart: the name, and the least memory in GiB that the device has where a class was asked for. */
export function readRequestedModel(wanted: string): {
  readonly model: string;
  readonly memoryGib: number | undefined;
} {
  const at = wanted.indexOf(memoryMark);
  if (at < 0) return { model: wanted, memoryGib: undefined };
  return { model: wanted.slice(0, at), memoryGib: Number(wanted.slice(at + 1)) };
}

/** By its id or another name, however it is spelt; undefined for a name of none. */
export function deviceClassOf(name: string): DeviceClass | undefined {
  return byName.get(normaliseModel(name));
}
