import { parseNvidiaSmi } from 'nvidia-smi-parser';
import { describe, expect, test } from 'vitest';
import { type DeviceHistory, observeDevices, observeSilence } from './device-health.ts';
import { type ReportedDevice, readDevices } from './device-report.ts';
import { parseCapabilities } from './nvidia.ts';

const first = 'GPU-11111111-1111-1111-1111-111111111111';
const second = 'GPU-22222222-2222-2222-2222-222222222222';

function gpu(uuid: string, extra = ''): string {
  return `<gpu id="0"><product_name>NVIDIA GeForce RTX 4090</product_name><uuid>${uuid}</uuid><fb_memory_usage><total>24564 MiB</total></fb_memory_usage>${extra}</gpu>`;
}
function facts(...gpus: readonly string[]): readonly ReportedDevice[] {
  const result = parseNvidiaSmi(
    `<?xml version="1.0" ?><nvidia_smi_log><driver_version>550.54</driver_version><cuda_version>12.4</cuda_version>${gpus.join('')}</nvidia_smi_log>`,
  );
  if (!result.ok) throw new Error(result.message);
  const capabilities = parseCapabilities(`${first}, 8.9\nnonsense\n`);
  return readDevices({ report: result.value, capabilities, list: [], machineMemoryBytes: 0 }).devices;
}
function health(histories: readonly DeviceHistory[]): readonly string[] {
  return histories.map((history) => history.device.health);
}
function repeat(
  times: number,
  from: readonly DeviceHistory[],
  next: (now: readonly DeviceHistory[]) => readonly DeviceHistory[],
) {
  let now = from;
  for (let i = 0; i < times; i++) now = next(now);
  return now;
}

const well = facts(gpu(first), gpu(second));
const ecc = '<ecc_errors><volatile><dram_uncorrectable>3</dram_uncorrectable></volatile></ecc_errors>';
const hot =
  '<clocks_event_reasons><clocks_event_reason_hw_thermal_slowdown>Active</clocks_event_reason_hw_thermal_slowdown></clocks_event_reasons>';

describe('devices', () => {
  test('are named as offers name them', () => {
    expect(observeDevices([], well)[0]?.device).toEqual({
      id: first,
      vendor: 'nvidia',
      model: 'rtx-4090',
      memoryBytes: 24564 * 2 ** 20,
      health: 'healthy',
      computeCapability: '8.9',
      cuda: '12.4',
    });
  });

  test('one that is faulty is set apart alone, at once where nothing mends it', () => {
    const after = observeDevices(observeDevices([], well), facts(gpu(first), gpu(second, ecc)));
    expect(health(after)).toEqual(['healthy', 'quarantined']);
    expect(after[1]?.device.reason).toContain('3 uncorrectable ECC errors');
  });

  test('one that vanished is suspected, then quarantined; the other stays well', () => {
    const start = observeDevices([], well);
    const without = (now: readonly DeviceHistory[]) => observeDevices(now, facts(gpu(first)));
    expect(health(without(start))).toEqual(['healthy', 'suspect']);
    expect(health(repeat(3, start, without))).toEqual(['healthy', 'quarantined']);
  });

  test('a hot one recovers after it was well for a while, a quarantined one later', () => {
    const suspect = observeDevices(observeDevices([], well), facts(gpu(first, hot), gpu(second)));
    expect(health(suspect)).toEqual(['suspect', 'healthy']);
    const good = (now: readonly DeviceHistory[]) => observeDevices(now, well);
    expect(health(repeat(2, suspect, good))[0]).toBe('suspect');
    expect(health(repeat(3, suspect, good))[0]).toBe('healthy');
    const quarantined = observeDevices([], facts(gpu(first, ecc), gpu(second)));
    expect(health(repeat(19, quarantined, good))[0]).toBe('quarantined');
    expect(health(repeat(20, quarantined, good))[0]).toBe('healthy');
  });

  test('a driver that does not answer makes all of them suspect, and says why', () => {
    const silent = observeSilence(observeDevices([], well), 'nvidia did not answer in 20000 ms');
    expect(health(silent)).toEqual(['suspect', 'suspect']);
    expect(silent[0]?.device.reason).toBe('nvidia did not answer in 20000 ms');
    expect(observeSilence([], 'x')).toEqual([]);
  });
});
