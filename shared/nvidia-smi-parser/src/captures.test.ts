import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { type NvidiaSmiGpu, type NvidiaSmiReport, parseNvidiaSmi } from './index.ts';

const mib = 1024 ** 2;
const mhz = 1e6;

function parseCapture(name: string): NvidiaSmiReport {
  const file = new URL(`../../../test/fixtures/nvidia-smi/${name}.xml`, import.meta.url);
  const result = parseNvidiaSmi(readFileSync(file, 'utf8'));
  if (!result.ok) throw new Error(`${result.code}: ${result.message}`);
  return result.value;
}

function onlyGpu(report: NvidiaSmiReport): NvidiaSmiGpu {
  const [gpu, ...others] = report.gpus;
  if (gpu === undefined || others.length > 0) throw new Error('expected one GPU');
  return gpu;
}

// Every expected value was read from the XML by eye.
describe('A100 in MIG slices, driver 535', () => {
  const report = parseCapture('a100-sxm4-v12');
  const gpu = onlyGpu(report);

  test('names the driver and the board', () => {
    expect(report).toMatchObject({
      schemaVersion: 12,
      timestamp: 'Fri Aug  4 11:44:30 2023',
      driverVersion: '535.54.03',
      cudaVersion: '12.2',
      attachedGpus: 4,
      faults: [],
    });
    expect(gpu).toMatchObject({
      uuid: 'GPU-513536b6-7d19-9063-b049-1e69664bb298',
      productName: 'NVIDIA A100-SXM4-80GB',
      productBrand: 'NVIDIA',
      productArchitecture: 'Ampere',
      serial: '1650522003820',
      vbiosVersion: '92.00.36.00.02',
      minorNumber: 1,
      persistenceMode: false,
      computeMode: 'Default',
      performanceState: 'P0',
      resetRequired: false,
      fanRatio: undefined,
      computeCapability: undefined,
      processes: [],
      faults: [],
    });
  });

  test('reads the link, memory and power in base units', () => {
    expect(gpu.pci).toEqual({
      busId: '00000000:01:00.0',
      deviceId: '20B210DE',
      subSystemId: '147F10DE',
      linkGenCurrent: 4,
      linkGenMax: 4,
      linkWidthCurrent: 16,
      linkWidthMax: 16,
      replayCount: 0,
      txBytesPerSecond: 4_000_000,
      rxBytesPerSecond: 0,
    });
    expect(gpu.memory).toEqual({
      totalBytes: 81_920 * mib,
      usedBytes: 50 * mib,
      freeBytes: 80_999 * mib,
      reservedBytes: 869 * mib,
    });
    expect(gpu.bar1).toMatchObject({ totalBytes: 131_072 * mib, usedBytes: mib, reservedBytes: undefined });
    expect(gpu.power).toMatchObject({
      drawWatts: 67.03,
      limitWatts: 500,
      minLimitWatts: 100,
      maxLimitWatts: 500,
    });
    expect(gpu.modulePower.drawWatts).toBeUndefined();
    expect(gpu.temperature).toMatchObject({ gpuCelsius: 27, memoryCelsius: 44, shutdownCelsius: 92 });
    expect(gpu.temperature).toMatchObject({ slowdownCelsius: 89, gpuMaxCelsius: 85, memoryMaxCelsius: 95 });
    expect(gpu.clocks).toEqual({
      graphicsHertz: 1275 * mhz,
      smHertz: 1275 * mhz,
      memoryHertz: 1593 * mhz,
      videoHertz: 1275 * mhz,
    });
    expect(gpu.maxClocks).toMatchObject({ smHertz: 1410 * mhz, videoHertz: 1290 * mhz });
    expect(gpu.graphicsVolts).toBe(0.9125);
    expect(gpu.utilization.gpuRatio).toBeUndefined();
  });

  test('reads four slices', () => {
    expect(gpu.mig).toMatchObject({ enabled: true, enabledPending: true });
    expect(gpu.mig.devices.map(({ index, gpuInstanceId }) => [index, gpuInstanceId])).toEqual([
      [0, 3],
      [1, 4],
      [2, 5],
      [3, 6],
    ]);
    expect(gpu.mig.devices[2]).toEqual({
      index: 2,
      gpuInstanceId: 5,
      computeInstanceId: 0,
      uuid: undefined,
      name: undefined,
      multiprocessorCount: 14,
      copyEngineCount: 1,
      encoderCount: 0,
      decoderCount: 1,
      ofaCount: 0,
      jpegCount: 0,
      sramUncorrectable: 0,
      memory: { totalBytes: 19_968 * mib, usedBytes: 12 * mib, freeBytes: 19_955 * mib, reservedBytes: 0 },
      bar1: { totalBytes: 32_767 * mib, usedBytes: 0, freeBytes: 32_767 * mib, reservedBytes: undefined },
    });
  });

  test('reads memory health', () => {
    expect(gpu.ecc).toMatchObject({ enabled: true, enabledPending: true });
    expect(gpu.ecc.volatile).toMatchObject({ sramUncorrectable: 0, dramCorrectable: 0, uncorrectable: 0 });
    expect(gpu.retiredPages).toEqual({
      singleBitCount: undefined,
      doubleBitCount: undefined,
      pending: undefined,
    });
    expect(gpu.remappedRows).toBeUndefined();
  });
});

test('GTX 1070 Ti, the short form of an old driver', () => {
  const report = parseCapture('gtx-1070-ti');
  const gpu = onlyGpu(report);
  expect(report).toMatchObject({ schemaVersion: 10, driverVersion: undefined, cudaVersion: undefined });
  expect(gpu).toMatchObject({
    uuid: 'GPU-f9ba66fc-a7f5-94c5-da19-019ef2f9c665',
    productName: 'GeForce GTX 1070 Ti',
    fanRatio: 1,
    performanceState: 'P8',
    utilization: { gpuRatio: 0, memoryRatio: 0, encoderRatio: undefined },
    persistenceMode: undefined,
  });
  expect(gpu.pci).toMatchObject({ busId: '00000000:01:00.0', linkGenCurrent: 1, linkGenMax: undefined });
  expect(gpu.memory).toMatchObject({ totalBytes: 4096 * mib, usedBytes: 42 * mib, freeBytes: 4054 * mib });
  expect(gpu.temperature.gpuCelsius).toBe(39);
  expect(gpu.power.drawWatts).toBeUndefined();
  expect(gpu.clocks).toMatchObject({ graphicsHertz: 135 * mhz, memoryHertz: 405 * mhz });
  expect(gpu.mig).toEqual({ enabled: undefined, enabledPending: undefined, devices: [] });
});

test('Quadro P2000, driver 525 with the old ECC layout', () => {
  const report = parseCapture('quadro-p2000-v12');
  const gpu = onlyGpu(report);
  expect(report).toMatchObject({ driverVersion: '525.125.06', cudaVersion: '12.0', attachedGpus: 1 });
  expect(gpu).toMatchObject({
    productBrand: 'Quadro',
    productArchitecture: 'Pascal',
    serial: '0322218049033',
  });
  expect(gpu).toMatchObject({ fanRatio: 0.46, persistenceMode: true, vbiosVersion: '86.06.3F.00.30' });
  expect(gpu.pci).toMatchObject({ linkGenCurrent: 1, linkGenMax: 3, linkWidthCurrent: 8, linkWidthMax: 16 });
  expect(gpu.power).toMatchObject({ drawWatts: 4.61, limitWatts: 75, averageDrawWatts: undefined });
  expect(gpu.ecc.enabled).toBeUndefined();
  expect(gpu.ecc.aggregate.doubleBit?.total).toBeUndefined();
  expect(gpu.ecc.aggregate.uncorrectable).toBeUndefined();
  expect(gpu.throttle).toMatchObject({ gpuIdle: true, swPowerCap: false, active: ['gpu_idle'] });
  expect(gpu.temperature).toMatchObject({ gpuCelsius: 34, shutdownCelsius: 104, targetCelsius: 83 });
  expect(gpu.applicationsClocks).toMatchObject({ graphicsHertz: 1075 * mhz, memoryHertz: 3504 * mhz });
});

test('RTX 3080, driver 595', () => {
  const report = parseCapture('rtx-3080-v13');
  const gpu = onlyGpu(report);
  expect(report).toMatchObject({ schemaVersion: 13, driverVersion: '595.58.03', cudaVersion: '13.2' });
  expect(gpu).toMatchObject({ performanceState: 'P2', fanRatio: 0, recoveryAction: 'None', faults: [] });
  expect(gpu.utilization).toMatchObject({ gpuRatio: 0.65, memoryRatio: 0.09, ofaRatio: 0 });
  expect(gpu.power).toEqual({
    drawWatts: 139.62,
    averageDrawWatts: 139.62,
    instantDrawWatts: 142.33,
    limitWatts: 320,
    requestedLimitWatts: 320,
    defaultLimitWatts: 320,
    minLimitWatts: 100,
    maxLimitWatts: 336,
  });
  expect(gpu.applicationsClocks.graphicsHertz).toBeUndefined();
  expect(gpu.pci).toMatchObject({ rxBytesPerSecond: 14_742_333_000, busId: '00000000:0C:00.0' });
  expect(gpu.memory.reservedBytes).toBe(397 * mib);
  expect(gpu.bar1.usedBytes).toBe(9218 * mib);
});

test('RTX 3090 passed through to a virtual machine, driver 525', () => {
  const gpu = onlyGpu(parseCapture('rtx-3090-v12'));
  expect(gpu).toMatchObject({ serial: undefined, graphicsVolts: 0, productBrand: 'GeForce' });
  expect(gpu.virtualization).toMatchObject({ mode: 'Pass-Through', hostVgpuMode: undefined });
  expect(gpu.power).toMatchObject({
    drawWatts: 27.23,
    limitWatts: 200,
    defaultLimitWatts: 350,
    maxLimitWatts: 375,
  });
  expect(gpu.memory).toMatchObject({ totalBytes: 24_576 * mib, freeBytes: 24_258 * mib });
  expect(gpu.maxClocks.memoryHertz).toBe(9751 * mhz);
  expect(gpu.clocks.graphicsHertz).toBe(0);
});

test('RTX 4000 SFF Ada, driver 595 with thermal-limit distances and remapped rows', () => {
  const gpu = onlyGpu(parseCapture('rtx-4000-sff-ada-v13'));
  expect(gpu).toMatchObject({
    productBrand: 'NVIDIA RTX',
    productArchitecture: 'Ada Lovelace',
    fanRatio: 0.3,
  });
  expect(gpu.temperature).toMatchObject({ gpuCelsius: 38, tLimitCelsius: 49, shutdownTLimitCelsius: -7 });
  expect(gpu.temperature).toMatchObject({ slowdownTLimitCelsius: -2, gpuMaxTLimitCelsius: 0 });
  expect(gpu.temperature.shutdownCelsius).toBeUndefined();
  expect(gpu.power).toMatchObject({
    drawWatts: 8.81,
    instantDrawWatts: 8.44,
    limitWatts: 70,
    minLimitWatts: 30,
  });
  expect(gpu.ecc.enabled).toBe(false);
  expect(gpu.remappedRows).toEqual({
    correctable: 0,
    uncorrectable: 0,
    pending: false,
    failure: false,
    banks: { max: 96, high: 0, partial: 0, low: 0, none: 0 },
  });
  expect(gpu.processes).toHaveLength(4);
  expect(gpu.processes[3]).toEqual({
    pid: 34_626,
    type: 'C+G',
    name: '/usr/lib/chromium/chromium',
    usedMemoryBytes: 183 * mib,
    gpuInstanceId: undefined,
    computeInstanceId: undefined,
  });
});

test('Tesla T4, driver 515', () => {
  const report = parseCapture('tesla-t4');
  const gpu = onlyGpu(report);
  expect(report).toMatchObject({ schemaVersion: 11, driverVersion: '515.105.01', cudaVersion: '11.7' });
  expect(gpu).toMatchObject({ productArchitecture: 'Turing', fanRatio: undefined, performanceState: 'P0' });
  expect(gpu.pci).toMatchObject({ busId: '00000000:00:1E.0', linkWidthCurrent: 8, linkGenMax: 3 });
  expect(gpu.retiredPages).toEqual({ singleBitCount: 0, doubleBitCount: 0, pending: false });
  expect(gpu.ecc.aggregate).toMatchObject({ correctable: 0, uncorrectable: 0, singleBit: undefined });
  expect(gpu.power).toMatchObject({ drawWatts: 26.78, limitWatts: 70, minLimitWatts: 60 });
  expect(gpu.throttle).toMatchObject({ gpuIdle: false, active: [] });
  expect(
    gpu.processes.map(({ pid, type, name, usedMemoryBytes }) => [pid, type, name, usedMemoryBytes]),
  ).toEqual([
    [675, 'G', '/usr/lib/xorg/Xorg', 22 * mib],
    [5762, 'C', 'python', 1005 * mib],
  ]);
});
