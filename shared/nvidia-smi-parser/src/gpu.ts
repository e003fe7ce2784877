import { readEcc, readRemappedRows, readRetiredPages } from './ecc.ts';
import { attributeOf, childOf, childrenOf, type Element, entriesOf } from './element.ts';
import { readGpuFaults } from './fault.ts';
import {
  readBytes,
  readBytesPerSecond,
  readCelsius,
  readCount,
  readFlag,
  readHertz,
  readLanes,
  readRatio,
  readText,
  readVolts,
  readWatts,
} from './reading.ts';
import type {
  Clocks,
  Fabric,
  GpuProcess,
  MemoryUsage,
  Mig,
  MigDevice,
  NvidiaSmiGpu,
  Pci,
  Power,
  Temperature,
  Throttle,
  Utilization,
  Virtualization,
} from './report.ts';

function readMemory(memory: Element): MemoryUsage {
  return {
    totalBytes: readBytes(memory, 'total'),
    usedBytes: readBytes(memory, 'used'),
    freeBytes: readBytes(memory, 'free'),
    reservedBytes: readBytes(memory, 'reserved'),
  };
}

function readPci(gpu: Element): Pci {
  const pci = childOf(gpu, 'pci');
  const gen = childOf(pci, 'pci_gpu_link_info', 'pcie_gen');
  const widths = childOf(pci, 'pci_gpu_link_info', 'link_widths');
  const id = attributeOf(gpu, 'id');
  return {
    busId: readText(pci, 'pci_bus_id') ?? (id === '' ? undefined : id),
    deviceId: readText(pci, 'pci_device_id'),
    subSystemId: readText(pci, 'pci_sub_system_id'),
    linkGenCurrent: readCount(gen, 'current_link_gen') ?? readCount(gen, 'device_current_link_gen'),
    linkGenMax: readCount(gen, 'max_link_gen') ?? readCount(gen, 'max_device_link_gen'),
    linkWidthCurrent: readLanes(widths, 'current_link_width'),
    linkWidthMax: readLanes(widths, 'max_link_width'),
    replayCount: readCount(pci, 'replay_counter'),
    txBytesPerSecond: readBytesPerSecond(pci, 'tx_util'),
    rxBytesPerSecond: readBytesPerSecond(pci, 'rx_util'),
  };
}

function readClocks(gpu: Element, name: string): Clocks {
  const clocks = childOf(gpu, name);
  return {
    graphicsHertz: readHertz(clocks, 'graphics_clock'),
    smHertz: readHertz(clocks, 'sm_clock'),
    memoryHertz: readHertz(clocks, 'mem_clock'),
    videoHertz: readHertz(clocks, 'video_clock'),
  };
}

function readThrottle(gpu: Element): Throttle {
  const known = new Map<string, boolean>();
  for (const section of ['clocks_throttle_reasons', 'clocks_event_reasons']) {
    const reasons = childOf(gpu, section);
    for (const [tag] of entriesOf(reasons)) {
      const reason = /^clocks_(?:throttle|event)_reasons?_(\w+)$/.exec(tag)?.[1];
      const active = readFlag(reasons, tag);
      if (reason !== undefined && active !== undefined) known.set(reason, active);
    }
  }
  return {
    gpuIdle: known.get('gpu_idle'),
    applicationsClocksSetting: known.get('applications_clocks_setting') ?? known.get('user_defined_clocks'),
    swPowerCap: known.get('sw_power_cap'),
    hwSlowdown: known.get('hw_slowdown'),
    hwThermalSlowdown: known.get('hw_thermal_slowdown'),
    hwPowerBrakeSlowdown: known.get('hw_power_brake_slowdown'),
    syncBoost: known.get('sync_boost'),
    swThermalSlowdown: known.get('sw_thermal_slowdown'),
    displayClocksSetting: known.get('display_clocks_setting'),
    active: [...known].filter(([, active]) => active).map(([reason]) => reason),
  };
}

function readUtilization(gpu: Element): Utilization {
  const utilization = childOf(gpu, 'utilization');
  return {
    gpuRatio: readRatio(utilization, 'gpu_util'),
    memoryRatio: readRatio(utilization, 'memory_util'),
    encoderRatio: readRatio(utilization, 'encoder_util'),
    decoderRatio: readRatio(utilization, 'decoder_util'),
    jpegRatio: readRatio(utilization, 'jpeg_util'),
    ofaRatio: readRatio(utilization, 'ofa_util'),
  };
}

function readTemperature(gpu: Element): Temperature {
  const temperature = childOf(gpu, 'temperature');
  return {
    gpuCelsius: readCelsius(temperature, 'gpu_temp'),
    memoryCelsius: readCelsius(temperature, 'memory_temp'),
    shutdownCelsius: readCelsius(temperature, 'gpu_temp_max_threshold'),
    slowdownCelsius: readCelsius(temperature, 'gpu_temp_slow_threshold'),
    gpuMaxCelsius: readCelsius(temperature, 'gpu_temp_max_gpu_threshold'),
    memoryMaxCelsius: readCelsius(temperature, 'gpu_temp_max_mem_threshold'),
    targetCelsius: readCelsius(temperature, 'gpu_target_temperature'),
    tLimitCelsius: readCelsius(temperature, 'gpu_temp_tlimit'),
    shutdownTLimitCelsius: readCelsius(temperature, 'gpu_temp_max_tlimit_threshold'),
    slowdownTLimitCelsius: readCelsius(temperature, 'gpu_temp_slow_tlimit_threshold'),
    gpuMaxTLimitCelsius: readCelsius(temperature, 'gpu_temp_max_gpu_tlimit_threshold'),
    memoryMaxTLimitCelsius: readCelsius(temperature, 'gpu_temp_max_mem_tlimit_threshold'),
  };
}

/** From the first section that has the figure: drivers around 530 print both the old and the new. */
function readPower(gpu: Element, ...sections: readonly string[]): Power {
  const watts = (...names: readonly string[]): number | undefined => {
    for (const name of names) {
      for (const section of sections) {
        const found = readWatts(gpu, section, name);
        if (found !== undefined) return found;
      }
    }
    return undefined;
  };
  return {
    drawWatts: watts('power_draw', 'average_power_draw', 'instant_power_draw'),
    averageDrawWatts: watts('average_power_draw'),
    instantDrawWatts: watts('instant_power_draw'),
    limitWatts: watts('current_power_limit', 'enforced_power_limit', 'power_limit'),
    requestedLimitWatts: watts('requested_power_limit', 'power_limit'),
    defaultLimitWatts: watts('default_power_limit'),
    minLimitWatts: watts('min_power_limit'),
    maxLimitWatts: watts('max_power_limit'),
  };
}

function readMigDevice(device: Element): MigDevice {
  const shared = childOf(device, 'device_attributes', 'shared');
  return {
    index: readCount(device, 'index'),
    gpuInstanceId: readCount(device, 'gpu_instance_id'),
    computeInstanceId: readCount(device, 'compute_instance_id'),
    uuid: readText(device, 'uuid') ?? readText(device, 'mig_uuid'),
    name: readText(device, 'product_name') ?? readText(device, 'name'),
    multiprocessorCount: readCount(shared, 'multiprocessor_count'),
    copyEngineCount: readCount(shared, 'copy_engine_count'),
    encoderCount: readCount(shared, 'encoder_count'),
    decoderCount: readCount(shared, 'decoder_count'),
    ofaCount: readCount(shared, 'ofa_count'),
    jpegCount: readCount(shared, 'jpg_count') ?? readCount(shared, 'jpeg_count'),
    sramUncorrectable: readCount(device, 'ecc_error_count', 'volatile_count', 'sram_uncorrectable'),
    memory: readMemory(childOf(device, 'fb_memory_usage')),
    bar1: readMemory(childOf(device, 'bar1_memory_usage')),
  };
}

function readMig(gpu: Element): Mig {
  return {
    enabled: readFlag(gpu, 'mig_mode', 'current_mig'),
    enabledPending: readFlag(gpu, 'mig_mode', 'pending_mig'),
    devices: childrenOf(childOf(gpu, 'mig_devices'), 'mig_device').map(readMigDevice),
  };
}

function readFabric(gpu: Element): Fabric {
  const fabric = childOf(gpu, 'fabric');
  const health = childOf(fabric, 'health');
  return {
    state: readText(fabric, 'state'),
    status: readText(fabric, 'status'),
    // Before it had parts the driver printed one word.
    health: readText(health, 'summary') ?? readText(fabric, 'health'),
    bandwidth: readText(health, 'bandwidth'),
    incorrectConfiguration: readText(health, 'incorrect_configuration'),
    routeUnhealthy: readFlag(health, 'route_unhealthy'),
    routeRecoveryInProgress: readFlag(health, 'route_recovery_in_progress'),
    accessTimeoutRecovery: readFlag(health, 'access_timeout_recovery'),
  };
}

function readProcesses(gpu: Element): readonly GpuProcess[] {
  return childrenOf(childOf(gpu, 'processes'), 'process_info').flatMap((process) => {
    const pid = readCount(process, 'pid');
    if (pid === undefined) return [];
    return {
      pid,
      type: readText(process, 'type'),
      name: readText(process, 'process_name'),
      usedMemoryBytes: readBytes(process, 'used_memory'),
      gpuInstanceId: readCount(process, 'gpu_instance_id'),
      computeInstanceId: readCount(process, 'compute_instance_id'),
    };
  });
}

function readVirtualization(gpu: Element): Virtualization {
  const mode = childOf(gpu, 'gpu_virtualization_mode');
  const license = childOf(gpu, 'vgpu_software_licensed_product') ?? childOf(gpu, 'grid_licensed_product');
  return {
    mode: readText(mode, 'virtualization_mode'),
    hostVgpuMode: readText(mode, 'host_vgpu_mode'),
    licensedProduct: readText(license, 'licensed_product_name'),
    licenseStatus: readText(license, 'license_status'),
  };
}

export function readGpu(gpu: Element): NvidiaSmiGpu {
  return {
    uuid: readText(gpu, 'uuid'),
    productName: readText(gpu, 'product_name'),
    productBrand: readText(gpu, 'product_brand'),
    productArchitecture: readText(gpu, 'product_architecture'),
    computeCapability:
      readText(gpu, 'compute_cap') ??
      readText(gpu, 'compute_capability') ??
      readText(gpu, 'cuda_compute_capability'),
    serial: readText(gpu, 'serial'),
    vbiosVersion: readText(gpu, 'vbios_version'),
    gspFirmwareVersion: readText(gpu, 'gsp_firmware_version'),
    minorNumber: readCount(gpu, 'minor_number'),
    persistenceMode: readFlag(gpu, 'persistence_mode'),
    computeMode: readText(gpu, 'compute_mode'),
    performanceState:
      readText(gpu, 'performance_state') ??
      readText(gpu, 'gpu_power_readings', 'power_state') ??
      readText(gpu, 'power_readings', 'power_state'),
    fanRatio: readRatio(gpu, 'fan_speed'),
    recoveryAction: readText(gpu, 'gpu_recovery_action'),
    resetRequired: readFlag(gpu, 'gpu_reset_status', 'reset_required'),
    pci: readPci(gpu),
    // Drivers before 295 had no BAR1 section and called the one memory memory_usage.
    memory: readMemory(childOf(gpu, 'fb_memory_usage') ?? childOf(gpu, 'memory_usage')),
    bar1: readMemory(childOf(gpu, 'bar1_memory_usage')),
    utilization: readUtilization(gpu),
    clocks: readClocks(gpu, 'clocks'),
    maxClocks: readClocks(gpu, 'max_clocks'),
    applicationsClocks: readClocks(gpu, 'applications_clocks'),
    graphicsVolts: readVolts(gpu, 'voltage', 'graphics_volt'),
    throttle: readThrottle(gpu),
    temperature: readTemperature(gpu),
    power: readPower(gpu, 'gpu_power_readings', 'power_readings'),
    modulePower: readPower(gpu, 'module_power_readings'),
    ecc: readEcc(gpu),
    retiredPages: readRetiredPages(gpu),
    remappedRows: readRemappedRows(gpu),
    mig: readMig(gpu),
    fabric: readFabric(gpu),
    virtualization: readVirtualization(gpu),
    processes: readProcesses(gpu),
    faults: readGpuFaults(gpu),
  };
}
