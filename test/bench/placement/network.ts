import type { Offer, Resources } from '@capacloud/protocol/capacity/resources';

const gib = 2 ** 30;
const memoriesGib = [8, 12, 16, 24, 48, 80];
const shapes = 1024;

/** What a task wants, as both sides read it. */
export interface Wish {
  readonly gpus: number;
  readonly cpuMilli: number;
  readonly memoryBytes: number;
  readonly gpuMemoryBytes: number;
  /** Undefined for any. */
  readonly model: number | undefined;
  readonly maxRateNano: number;
}

/** One machine of the network, as both sides read it. */
export interface Machine {
  readonly model: number;
  readonly gpus: number;
  readonly gpuMemoryBytes: number;
  readonly cpuMilli: number;
  readonly memoryBytes: number;
  readonly deviceHourNano: number;
}

export function wishOf(n: number): Wish {
  const i = (Math.imul(n, 0x9e3779b1) >>> 8) % shapes;
  return {
    gpus: 1 + (i % 2),
    cpuMilli: 1000 * (1 + (i % 8)),
    memoryBytes: gib * (1 + (i % 16)),
    gpuMemoryBytes: gib * (memoriesGib[i % 4] ?? 0),
    model: i % 3 === 0 ? i % 8 : undefined,
    maxRateNano: 1_000_000 * (300 + (i % 700)),
  };
}

export function machineOf(index: number): Machine {
  return {
    model: index % 8,
    gpus: 1 + (index % 8),
    gpuMemoryBytes: gib * (memoriesGib[index % 6] ?? 0),
    cpuMilli: 1000 * (8 + (index % 57)),
    memoryBytes: gib * (16 + 4 * (index % 13)),
    deviceHourNano: 1_000_000 * ((index * 7919) % 1000),
  };
}

export function offerOf(index: number): Offer {
  const machine = machineOf(index);
  return {
    cpuMilli: machine.cpuMilli,
    memoryBytes: machine.memoryBytes,
    diskBytes: 100 * gib,
    slots: 64,
    devices: Array.from({ length: machine.gpus }, (_, gpu) => ({
      id: `GPU-${index}-${gpu}`,
      vendor: 'nvidia' as const,
      model: `model-${machine.model}`,
      memoryBytes: machine.gpuMemoryBytes,
      health: 'healthy' as const,
    })),
    arch: 'amd64',
    allowRoot: false,
    ask: {
      cpuHourNano: '0',
      memoryGibHourNano: '0',
      diskGibHourNano: '0',
      deviceHourNano: `${machine.deviceHourNano}`,
    },
  };
}

export function resourcesOf({ gpus, cpuMilli, memoryBytes, gpuMemoryBytes, model }: Wish): Resources {
  const devices = {
    count: gpus,
    memoryBytes: gpuMemoryBytes,
    ...(model === undefined ? {} : { models: [`model-${model}`] }),
  };
  return { cpuMilli, memoryBytes, diskBytes: gib, shmBytes: 0, devices };
}
