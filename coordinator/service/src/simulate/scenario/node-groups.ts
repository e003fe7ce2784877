import type { Ask, Device, Offer } from '@capacloud/protocol/capacity/resources';
import { normaliseModel } from '@capacloud/protocol/capacity/resources';
import { parseCpu } from '@capacloud/protocol/units';
import type { Reading } from './reading.ts';
import type { Availability, NodeGroup } from './scenario.ts';
import type { NodesFile } from './scenario-file.ts';
import type { TracedNode } from './trace-table.ts';

const mebibyte = 2 ** 20;
/** As an agent asks that is told nothing. */
const defaultAsk = {
  cpu_hour: '0.01',
  memory_gib_hour: '0.002',
  disk_gib_hour: '0.0001',
  device_hour: '0.5',
};
const defaultDisk = '1Ti';
const defaultVram = '16Gi';
/** An offer holds no more. */
const maxSlots = 1024;
const maxDevices = 64;

/** Gives the nodes of a trace, or undefined after it told the problem. */
export type NodeTraceReader = (path: string, pointer: string) => readonly TracedNode[] | undefined;

export function readNodeGroup(
  file: NodesFile,
  pointer: string,
  read: Reading,
  readTrace: NodeTraceReader,
): NodeGroup {
  const { joins, failure_rate = 0, ask_spread = 0 } = file;
  const rows = file.trace === undefined ? undefined : (readTrace(file.trace, `${pointer}/trace`) ?? []);
  const offers =
    rows === undefined ? listedOffers(file, pointer, read) : tracedOffers(file, rows, pointer, read);
  return {
    name: file.name,
    offers,
    providers: Math.max(1, Math.min(file.providers ?? 1, offers.length)),
    askSpread: ask_spread,
    joinsAfterMs: joins?.after === undefined ? 0 : read.span(`${pointer}/joins/after`, joins.after, 0),
    joinsOverMs: joins?.over === undefined ? 0 : read.span(`${pointer}/joins/over`, joins.over, 0),
    availability: readAvailability(file.availability, `${pointer}/availability`, read),
    failureRate: failure_rate,
  };
}

function readAvailability(
  file: NodesFile['availability'],
  pointer: string,
  read: Reading,
): Availability | undefined {
  if (file === undefined) return undefined;
  return {
    upMs: read.span(`${pointer}/up`, file.up),
    downMs: read.span(`${pointer}/down`, file.down),
    fault: file.fault ?? 'machine',
  };
}

function readAsk(file: NodesFile['ask'], pointer: string, read: Reading): Ask {
  const of = (field: keyof typeof defaultAsk): string =>
    `${read.money(`${pointer}/ask/${field}`, file?.[field] ?? defaultAsk[field])}`;
  return {
    cpuHourNano: of('cpu_hour'),
    memoryGibHourNano: of('memory_gib_hour'),
    diskGibHourNano: of('disk_gib_hour'),
    deviceHourNano: of('device_hour'),
  };
}

/** What the group's nodes have alike, whether they are listed or traced. */
function frameOf(file: NodesFile, pointer: string, read: Reading) {
  const { resources = {} } = file;
  const discount = file.ask?.interruptible_discount;
  return {
    diskBytes: read.size(`${pointer}/resources/disk`, resources.disk ?? defaultDisk),
    arch: 'amd64',
    allowRoot: false,
    ask: readAsk(file.ask, pointer, read),
    ...(discount === undefined ? {} : { interruptibleDiscountPercent: Number(discount.slice(0, -1)) }),
  };
}

function listedOffers(file: NodesFile, pointer: string, read: Reading): readonly Offer[] {
  const { count = 1, resources = {} } = file;
  if (resources.cpu === undefined || resources.memory === undefined)
    read.problem(`${pointer}/resources`, 'must give cpu and memory, or the group a trace');
  if (file.device_hour_by_model !== undefined)
    read.problem(`${pointer}/device_hour_by_model`, 'is for a trace; set ask/device_hour');
  const cpuMilli = parseNodeCpu(resources.cpu ?? 1);
  if (cpuMilli === undefined)
    read.problem(`${pointer}/resources/cpu`, 'must be between 1m and 4096 cores in steps of 1m');
  const offer: Offer = {
    ...frameOf(file, pointer, read),
    cpuMilli: cpuMilli ?? 1,
    memoryBytes: read.size(`${pointer}/resources/memory`, resources.memory ?? '1Gi'),
    slots: resources.slots ?? slotsFor(cpuMilli ?? 1),
    devices: listedDevices(file, pointer, read),
  };
  return Array.from({ length: count }, () => offer);
}

/** "8" in quotes is a count of cores, too. */
function parseNodeCpu(cpu: number | string): number | undefined {
  return parseCpu(typeof cpu === 'string' && /^[0-9.]+$/.test(cpu) ? Number(cpu) : cpu);
}

/** Tasks of half a core. */
function slotsFor(cpuMilli: number): number {
  return Math.min(maxSlots, Math.max(1, Math.ceil(cpuMilli / 500)));
}

function listedDevices(file: NodesFile, pointer: string, read: Reading): Device[] {
  const gpu = file.resources?.gpu;
  if (gpu === undefined) return [];
  const model = normaliseModel(gpu.model);
  if (model === '') read.problem(`${pointer}/resources/gpu/model`, 'must name a model, for example rtx-4090');
  const device: Omit<Device, 'id'> = {
    vendor: gpu.vendor ?? 'nvidia',
    model,
    memoryBytes: read.size(`${pointer}/resources/gpu/vram`, gpu.vram ?? defaultVram),
    health: 'healthy',
    ...(gpu.compute_capability === undefined ? {} : { computeCapability: gpu.compute_capability }),
    ...(gpu.cuda === undefined ? {} : { cuda: gpu.cuda }),
    ...(file.share_devices === true ? { shareable: true } : {}),
  };
  return Array.from({ length: gpu.count ?? 1 }, (_, index) => ({ id: `GPU-${index}`, ...device }));
}

function tracedOffers(
  file: NodesFile,
  rows: readonly TracedNode[],
  pointer: string,
  read: Reading,
): readonly Offer[] {
  for (const field of ['cpu', 'memory', 'gpu'] as const) {
    if (file.resources?.[field] !== undefined)
      read.problem(`${pointer}/resources/${field}`, 'is in the trace; leave it out');
  }
  const frame = frameOf(file, pointer, read);
  const prices = new Map(
    Object.entries(file.device_hour_by_model ?? {}).map(([model, text]) => [
      normaliseModel(model),
      `${read.money(`${pointer}/device_hour_by_model/${model}`, text)}`,
    ]),
  );
  const models = rows.map(({ model }) => normaliseModel(model));
  for (const model of Object.keys(file.device_hour_by_model ?? {})) {
    if (rows.length > 0 && !models.includes(normaliseModel(model)))
      read.problem(`${pointer}/device_hour_by_model/${model}`, 'is no model of the trace');
  }
  if (rows.some(({ gpus }) => gpus > maxDevices))
    read.problem(`${pointer}/trace`, `has a node with more than ${maxDevices} GPUs`);
  return rows.slice(0, file.count ?? rows.length).map(({ cpuMilli, gpus, memoryMib, model: name }) => {
    const model = normaliseModel(name);
    return {
      ...frame,
      ask: { ...frame.ask, deviceHourNano: prices.get(model) ?? frame.ask.deviceHourNano },
      cpuMilli,
      memoryBytes: memoryMib * mebibyte,
      slots: file.resources?.slots ?? slotsFor(cpuMilli),
      devices: Array.from({ length: Math.min(gpus, maxDevices) }, (_, index) => ({
        id: `GPU-${index}`,
        vendor: 'nvidia' as const,
        model,
        memoryBytes: 2 ** 34,
        health: 'healthy' as const,
        ...(file.share_devices === true ? { shareable: true } : {}),
      })),
    };
  });
}
