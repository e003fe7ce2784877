import { type Device, normaliseModel } from '@capacloud/protocol/resources';
import type { NvidiaSmiGpu } from 'nvidia-smi-parser';
import type { NvidiaFacts } from './nvidia.ts';

/** A device and how it did lately. */
export interface DeviceHistory {
  readonly device: Device;
  /** Observations in a row that were bad, or good. */
  readonly bad: number;
  readonly good: number;
}

/** Bad observations in a row that turn suspicion into quarantine; at the probe's pace that is about 90 seconds. */
const quarantineAfter = 3;
/** Good ones in a row before a suspect device, and one in quarantine, counts as healthy again. */
const trustSuspectAfter = 3;
const trustQuarantinedAfter = 20;

interface Verdict {
  readonly severity: 'good' | 'bad' | 'fatal';
  readonly reason?: string;
}

/** Judges one GPU by one report. fatal: it cannot be used, and time alone does not mend it. */
export function judgeGpu(gpu: NvidiaSmiGpu): Verdict {
  const fault = gpu.faults[0];
  if (fault !== undefined) {
    const reason = `${fault.path === '' ? 'driver' : fault.path}: ${fault.text}`;
    return {
      severity: /lost|reset|inaccessible|unrepairable|remapped/i.test(reason) ? 'fatal' : 'bad',
      reason,
    };
  }
  if (gpu.resetRequired === true) return { severity: 'fatal', reason: 'The GPU requires a reset.' };
  if ((gpu.ecc.volatile.uncorrectable ?? 0) > 0) {
    return {
      severity: 'fatal',
      reason: `${gpu.ecc.volatile.uncorrectable} uncorrectable ECC errors since the driver was loaded.`,
    };
  }
  if (gpu.remappedRows?.failure === true) return { severity: 'fatal', reason: 'Row remapping failed.' };
  if (gpu.retiredPages.pending === true || gpu.remappedRows?.pending === true) {
    return { severity: 'bad', reason: 'Memory is to be retired at the next reset.' };
  }
  if (gpu.throttle.hwThermalSlowdown === true)
    return { severity: 'bad', reason: 'The hardware slows down from heat.' };
  if (gpu.throttle.hwPowerBrakeSlowdown === true)
    return { severity: 'bad', reason: 'The power brake slows it down.' };
  if (gpu.memory.totalBytes === undefined)
    return { severity: 'bad', reason: 'The size of its memory is not known.' };
  return { severity: 'good' };
}

/** The devices of a report: GPUs, or their slices where MIG is on. What has no UUID cannot be assigned. */
function devicesOf(facts: NvidiaFacts): readonly { readonly device: Device; readonly verdict: Verdict }[] {
  const cuda = /^[0-9]{1,2}\.[0-9]{1,2}$/.exec(facts.report.cudaVersion ?? '')?.[0];
  return facts.report.gpus.flatMap((gpu) => {
    const capability = gpu.computeCapability ?? facts.capabilities.get(gpu.uuid ?? '');
    const verdict = judgeGpu(gpu);
    const parts =
      gpu.mig.enabled === true
        ? gpu.mig.devices.map((slice) => ({
            uuid: slice.uuid,
            name: slice.name ?? `${gpu.productName ?? 'gpu'} MIG`,
            memory: slice.memory,
          }))
        : [{ uuid: gpu.uuid, name: gpu.productName ?? 'unknown', memory: gpu.memory }];
    return parts.flatMap(({ uuid, name, memory }) => {
      if (uuid === undefined || !/^[A-Za-z0-9._:/-]{1,96}$/.test(uuid)) return [];
      const device: Device = {
        id: uuid,
        vendor: 'nvidia',
        model: normaliseModel(name).slice(0, 96) || 'unknown',
        memoryBytes: memory.totalBytes ?? 0,
        health: 'healthy',
        ...(capability === undefined || !/^[0-9]{1,2}\.[0-9]{1,2}$/.test(capability)
          ? {}
          : { computeCapability: capability }),
        ...(cuda === undefined ? {} : { cuda }),
      };
      return [{ device, verdict }];
    });
  });
}

/** The histories after a report. A device that is not in it any more has vanished, and is bad by that. */
export function observeDevices(
  previous: readonly DeviceHistory[],
  facts: NvidiaFacts,
): readonly DeviceHistory[] {
  const seen = new Map(devicesOf(facts).map((entry) => [entry.device.id, entry]));
  const known = new Set(previous.map((history) => history.device.id));
  const updated = previous.map((history) => {
    const now = seen.get(history.device.id);
    if (now === undefined)
      return judge(history, history.device, {
        severity: 'bad',
        reason: 'The driver does not list it any more.',
      });
    // A sick GPU can print less about itself than it did.
    const memoryBytes = now.device.memoryBytes || history.device.memoryBytes;
    return judge(history, { ...now.device, memoryBytes }, now.verdict);
  });
  const added = [...seen.values()].filter((entry) => !known.has(entry.device.id));
  return [...updated, ...added.map(({ device, verdict }) => judge(undefined, device, verdict))];
}

/** The histories after the driver as a whole gave no answer. */
export function observeSilence(previous: readonly DeviceHistory[], error: string): readonly DeviceHistory[] {
  return previous.map((history) => judge(history, history.device, { severity: 'bad', reason: error }));
}

function judge(history: DeviceHistory | undefined, device: Device, verdict: Verdict): DeviceHistory {
  const before = history?.device.health ?? 'healthy';
  const { reason: _, ...plain } = device;
  if (verdict.severity === 'good') {
    const good = (history?.good ?? 0) + 1;
    const needed =
      before === 'quarantined' ? trustQuarantinedAfter : before === 'suspect' ? trustSuspectAfter : 0;
    if (good >= needed) return { device: { ...plain, health: 'healthy' }, bad: 0, good };
    const reason = history?.device.reason;
    return {
      device: { ...plain, health: before, ...(reason === undefined ? {} : { reason }) },
      bad: 0,
      good,
    };
  }
  const bad = (history?.bad ?? 0) + 1;
  const quarantined = verdict.severity === 'fatal' || before === 'quarantined' || bad >= quarantineAfter;
  const reason = (verdict.reason ?? 'It is faulty.').toWellFormed().slice(0, 200).toWellFormed();
  return { device: { ...plain, health: quarantined ? 'quarantined' : 'suspect', reason }, bad, good: 0 };
}
