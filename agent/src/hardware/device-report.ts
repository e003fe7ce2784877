import { maxOfferedDevices } from '@capacloud/protocol/capacity/limits';
import { type Device, normaliseModel } from '@capacloud/protocol/capacity/resources';
import type { NvidiaSmiGpu } from 'nvidia-smi-parser';
import { fabricFault, judgeGpu, sharesMachineMemory, type Verdict } from './gpu-verdict.ts';
import type { NvidiaFacts } from './nvidia.ts';

/** A GPU or slice that is not offered, and why, for the owner. */
export interface LeftOut {
  readonly what: string;
  readonly why: string;
}

export interface ReportedDevice {
  readonly device: Device;
  readonly verdict: Verdict;
}

/** The devices of a report: GPUs, or their slices where MIG is on. What has no UUID cannot be given to a container. */
export function readDevices(facts: NvidiaFacts): {
  readonly devices: readonly ReportedDevice[];
  readonly leftOut: readonly LeftOut[];
} {
  const devices: ReportedDevice[] = [];
  const leftOut: LeftOut[] = [];
  const seen = new Set<string>();
  for (const [index, gpu] of facts.report.gpus.entries()) {
    const what = `GPU ${gpu.minorNumber ?? index}${gpu.productName === undefined ? '' : ` (${gpu.productName})`}`;
    const parts = partsOf(gpu, facts);
    if (parts.length === 0)
      leftOut.push({
        what,
        why: 'MIG is on and the GPU has no slice. Make some with nvidia-smi mig -cgi, or turn MIG off.',
      });
    for (const part of parts) {
      const name = part.slice === undefined ? what : `MIG slice ${part.slice} of ${what}`;
      const { uuid } = part;
      if (uuid === undefined || !/^[A-Za-z0-9._:/-]{1,96}$/.test(uuid))
        leftOut.push({
          what: name,
          why: 'The driver gives no UUID for it, so no container could be given it.',
        });
      else if (seen.has(uuid))
        leftOut.push({
          what: name,
          why: `The driver lists ${uuid} twice, and it is offered once. Reboot, or reinstall the driver.`,
        });
      else if (devices.length === maxOfferedDevices)
        leftOut.push({ what: name, why: `An offer holds at most ${maxOfferedDevices} devices.` });
      else {
        seen.add(uuid);
        devices.push({ device: deviceOf(gpu, { ...part, uuid }, facts), verdict: judgeGpu(gpu) });
      }
    }
  }
  return { devices, leftOut };
}

interface Part {
  readonly uuid: string | undefined;
  readonly name: string;
  readonly memoryBytes: number;
  /** Of slices: the driver's number. */
  readonly slice?: number | string;
}

function partsOf(gpu: NvidiaSmiGpu, { list, machineMemoryBytes }: NvidiaFacts): readonly Part[] {
  const product = gpu.productName ?? 'unknown';
  if (gpu.mig.enabled !== true) {
    const memoryBytes = sharesMachineMemory(gpu) ? machineMemoryBytes : (gpu.memory.totalBytes ?? 0);
    return [{ uuid: gpu.uuid, name: product, memoryBytes }];
  }
  const listed = list.find(({ uuid }) => uuid === gpu.uuid)?.slices ?? [];
  return gpu.mig.devices.map(({ index, memory, name, uuid }, position): Part => {
    const entry = listed.find((each) => each.index === (index ?? position));
    const profile = entry === undefined ? '' : ` ${entry.profile}`;
    return {
      uuid: uuid ?? entry?.uuid,
      name: name ?? `${product} MIG${profile}`,
      memoryBytes: memory.totalBytes ?? 0,
      slice: index ?? position,
    };
  });
}

function deviceOf(gpu: NvidiaSmiGpu, part: Part & { readonly uuid: string }, facts: NvidiaFacts): Device {
  const capability = gpu.computeCapability ?? facts.capabilities.get(gpu.uuid ?? '');
  const cuda = /^[0-9]{1,2}\.[0-9]{1,2}$/.exec(facts.report.cudaVersion ?? '')?.[0];
  return {
    id: part.uuid,
    vendor: 'nvidia',
    model: normaliseModel(part.name).slice(0, 96) || 'unknown',
    memoryBytes: part.memoryBytes,
    health: 'healthy',
    ...(capability === undefined || !/^[0-9]{1,2}\.[0-9]{1,2}$/.test(capability)
      ? {}
      : { computeCapability: capability }),
    ...(cuda === undefined ? {} : { cuda }),
    ...(fabricFault(gpu) === undefined ? {} : { fabric: 'degraded' as const }),
  };
}
