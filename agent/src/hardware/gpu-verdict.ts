import type { Fault, NvidiaSmiGpu } from 'nvidia-smi-parser';

export interface Verdict {
  readonly severity: 'good' | 'bad' | 'fatal';
  readonly reason?: string;
}

/**
 * Readings that work needs, by the first tags of their paths: memory, its errors, resets, and whether programs may compute at all.
 * A driver that cannot read a fan, the power of a laptop's GPU or what its next release adds prints an error there for years
 * while the GPU computes.
 */
const needed =
  /^(uuid|product_name|compute_mode|mig_mode|mig_devices(?!\.mig_device\.(bar1_memory_usage|device_attributes))|fb_memory_usage|ecc_errors|retired_pages|remapped_rows(?!\.row_remapper_histogram)|gpu_reset_status|gpu_recovery_action)(\.|$)/;

/** What a GPU prints in any reading when it is the GPU that is gone, and not the reading. */
const isGone = /lost|fallen off the bus|inaccessible|requires (a )?reset|device handle|mismatch/i;
const isLasting = /lost|bus|reset|inaccessible|unrepairable|remapped/i;
/** The driver wants the GPU out of NVLink's traffic; by itself it works on. */
const isAboutPeers = /^drain p2p$/i;

function concernsWork({ path, text }: Fault): boolean {
  if (path === 'gpu_recovery_action' && isAboutPeers.test(text)) return false;
  return path === '' || isGone.test(text) || needed.test(path);
}

/** Judges one GPU by one report. fatal: it cannot be used, and time alone does not mend it. */
export function judgeGpu(gpu: NvidiaSmiGpu): Verdict {
  const fault = gpu.faults.find(concernsWork);
  if (fault !== undefined) {
    const reason = `${fault.path === '' ? 'driver' : fault.path}: ${fault.text}`;
    return { severity: isLasting.test(reason) ? 'fatal' : 'bad', reason };
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
  if (gpu.memory.totalBytes === undefined && !sharesMachineMemory(gpu))
    return { severity: 'bad', reason: 'The size of its memory is not known.' };
  return { severity: 'good' };
}

/** GPUs on one chip with the processor, such as GB10 and Jetson: the driver says N/A of their memory, as they have none of their own. */
export function sharesMachineMemory({ memory, productName = '' }: NvidiaSmiGpu): boolean {
  return memory.totalBytes === undefined && /\b(GB10|Orin|Thor|Xavier|Tegra|Jetson)\b/i.test(productName);
}

/**
 * Why work that needs several GPUs should not use this one; undefined where nothing is wrong with NVLink, or there is none. CUDA
 * itself fails with "system not yet initialized" while the fabric is being set up.
 */
export function fabricFault({ fabric, faults, recoveryAction }: NvidiaSmiGpu): string | undefined {
  const { state, status, health, bandwidth, incorrectConfiguration: wrong } = fabric;
  const unread = faults.find(({ path }) => path.startsWith('fabric.'));
  if (unread !== undefined) return `its ${unread.path} reads ${unread.text}`;
  if (recoveryAction !== undefined && isAboutPeers.test(recoveryAction))
    return 'the driver asks to drain its traffic with other GPUs';
  if (state !== undefined && !/^(completed|not started)$/i.test(state)) return `its fabric is ${state}`;
  if (status !== undefined && !/^success$/i.test(status))
    return `the set-up of its fabric ended with ${status}`;
  if (health !== undefined && !/^healthy$/i.test(health)) return `its fabric is ${health}`;
  if (bandwidth !== undefined && !/^full$/i.test(bandwidth))
    return `the bandwidth of its fabric is ${bandwidth}`;
  if (wrong !== undefined && !/^none$/i.test(wrong)) return `its fabric is not set up right: ${wrong}`;
  if (fabric.routeUnhealthy === true) return 'a route of its fabric is unhealthy';
  if (fabric.routeRecoveryInProgress === true) return 'a route of its fabric is being recovered';
  return fabric.accessTimeoutRecovery === true ? 'its fabric recovers from timeouts' : undefined;
}
