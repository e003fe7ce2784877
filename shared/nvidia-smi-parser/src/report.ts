// Units are in the names: bytes, watts, celsius, hertz, volts; a ratio is 0..1. `undefined` always means that
// the driver did not say (missing, N/A, not supported, deprecated, or an error text, which is then a fault).

/** A place where the driver printed an error, or says that the GPU needs help. `path` is the tags, joined by dots. */
export interface Fault {
  readonly path: string;
  readonly text: string;
}

export interface MemoryUsage {
  readonly totalBytes: number | undefined;
  readonly usedBytes: number | undefined;
  readonly freeBytes: number | undefined;
  readonly reservedBytes: number | undefined;
}

export interface Pci {
  readonly busId: string | undefined;
  readonly deviceId: string | undefined;
  readonly subSystemId: string | undefined;
  readonly linkGenCurrent: number | undefined;
  readonly linkGenMax: number | undefined;
  /** Lanes. */
  readonly linkWidthCurrent: number | undefined;
  readonly linkWidthMax: number | undefined;
  readonly replayCount: number | undefined;
  readonly txBytesPerSecond: number | undefined;
  readonly rxBytesPerSecond: number | undefined;
}

export interface Clocks {
  readonly graphicsHertz: number | undefined;
  readonly smHertz: number | undefined;
  readonly memoryHertz: number | undefined;
  readonly videoHertz: number | undefined;
}

/** From clocks_throttle_reasons or, since driver 535, clocks_event_reasons. */
export interface Throttle {
  readonly gpuIdle: boolean | undefined;
  readonly applicationsClocksSetting: boolean | undefined;
  readonly swPowerCap: boolean | undefined;
  readonly hwSlowdown: boolean | undefined;
  readonly hwThermalSlowdown: boolean | undefined;
  readonly hwPowerBrakeSlowdown: boolean | undefined;
  readonly syncBoost: boolean | undefined;
  readonly swThermalSlowdown: boolean | undefined;
  readonly displayClocksSetting: boolean | undefined;
  /** Every active reason by its tag's suffix, those unknown to this package too: 'sw_power_cap'. */
  readonly active: readonly string[];
}

export interface Utilization {
  readonly gpuRatio: number | undefined;
  readonly memoryRatio: number | undefined;
  readonly encoderRatio: number | undefined;
  readonly decoderRatio: number | undefined;
  readonly jpegRatio: number | undefined;
  readonly ofaRatio: number | undefined;
}

/** The layout up to Volta: counts by the place where the error was found. */
export interface EccLocations {
  readonly deviceMemory: number | undefined;
  readonly registerFile: number | undefined;
  readonly l1Cache: number | undefined;
  readonly l2Cache: number | undefined;
  readonly textureMemory: number | undefined;
  readonly textureShm: number | undefined;
  readonly cbu: number | undefined;
  readonly total: number | undefined;
}

export interface EccCounts {
  /** The layout since Turing. */
  readonly sramCorrectable: number | undefined;
  /** Where the driver splits it by kind, the sum of parity and SEC-DED. */
  readonly sramUncorrectable: number | undefined;
  readonly sramUncorrectableParity: number | undefined;
  readonly sramUncorrectableSecded: number | undefined;
  readonly sramThresholdExceeded: boolean | undefined;
  readonly dramCorrectable: number | undefined;
  readonly dramUncorrectable: number | undefined;
  /** The layout up to Volta. */
  readonly singleBit: EccLocations | undefined;
  readonly doubleBit: EccLocations | undefined;
  /** Totals, whichever the layout. */
  readonly correctable: number | undefined;
  readonly uncorrectable: number | undefined;
}

export interface Ecc {
  readonly enabled: boolean | undefined;
  readonly enabledPending: boolean | undefined;
  /** Since the driver was loaded. */
  readonly volatile: EccCounts;
  /** Over the life of the board. */
  readonly aggregate: EccCounts;
}

export interface RetiredPages {
  readonly singleBitCount: number | undefined;
  readonly doubleBitCount: number | undefined;
  readonly pending: boolean | undefined;
}

export interface RemappedRows {
  readonly correctable: number | undefined;
  readonly uncorrectable: number | undefined;
  readonly pending: boolean | undefined;
  readonly failure: boolean | undefined;
  /** Memory banks by how many spare rows they have left. */
  readonly banks: {
    readonly max: number | undefined;
    readonly high: number | undefined;
    readonly partial: number | undefined;
    readonly low: number | undefined;
    readonly none: number | undefined;
  };
}

export interface Temperature {
  readonly gpuCelsius: number | undefined;
  readonly memoryCelsius: number | undefined;
  readonly shutdownCelsius: number | undefined;
  readonly slowdownCelsius: number | undefined;
  readonly gpuMaxCelsius: number | undefined;
  readonly memoryMaxCelsius: number | undefined;
  readonly targetCelsius: number | undefined;
  /** Distance to the thermal limit, and the distances at which something happens (Ada and later). */
  readonly tLimitCelsius: number | undefined;
  readonly shutdownTLimitCelsius: number | undefined;
  readonly slowdownTLimitCelsius: number | undefined;
  readonly gpuMaxTLimitCelsius: number | undefined;
  readonly memoryMaxTLimitCelsius: number | undefined;
}

export interface Power {
  /** As nvidia-smi's own `power.draw`: the one figure or, where the driver prints two, the average. */
  readonly drawWatts: number | undefined;
  readonly averageDrawWatts: number | undefined;
  readonly instantDrawWatts: number | undefined;
  /** The limit in effect. */
  readonly limitWatts: number | undefined;
  readonly requestedLimitWatts: number | undefined;
  readonly defaultLimitWatts: number | undefined;
  readonly minLimitWatts: number | undefined;
  readonly maxLimitWatts: number | undefined;
}

export interface MigDevice {
  readonly index: number | undefined;
  readonly gpuInstanceId: number | undefined;
  readonly computeInstanceId: number | undefined;
  readonly uuid: string | undefined;
  readonly name: string | undefined;
  readonly multiprocessorCount: number | undefined;
  readonly copyEngineCount: number | undefined;
  readonly encoderCount: number | undefined;
  readonly decoderCount: number | undefined;
  readonly ofaCount: number | undefined;
  readonly jpegCount: number | undefined;
  readonly sramUncorrectable: number | undefined;
  readonly memory: MemoryUsage;
  readonly bar1: MemoryUsage;
}

export interface Mig {
  /** `undefined` where the GPU cannot be cut. */
  readonly enabled: boolean | undefined;
  readonly enabledPending: boolean | undefined;
  readonly devices: readonly MigDevice[];
}

/**
 * NVLink's fabric, as the text that the driver prints; `undefined` where the GPU has none. Field by field from
 * `fabric` and `fabric.health`.
 */
export interface Fabric {
  /** 'Not Started', 'In Progress', 'Completed'. */
  readonly state: string | undefined;
  /** 'Success', or the error that ended its set-up. */
  readonly status: string | undefined;
  /** 'Healthy', 'Unhealthy', 'Limited Capacity'. */
  readonly health: string | undefined;
  /** 'Full', 'Degraded'. */
  readonly bandwidth: string | undefined;
  /** 'None', or what is wrong: 'Incorrect SysGUID', 'Insufficient Nvlinks'. */
  readonly incorrectConfiguration: string | undefined;
  readonly routeUnhealthy: boolean | undefined;
  readonly routeRecoveryInProgress: boolean | undefined;
  readonly accessTimeoutRecovery: boolean | undefined;
}

export interface GpuProcess {
  readonly pid: number;
  /** 'C' compute, 'G' graphics, 'C+G', 'M+C'. */
  readonly type: string | undefined;
  readonly name: string | undefined;
  readonly usedMemoryBytes: number | undefined;
  readonly gpuInstanceId: number | undefined;
  readonly computeInstanceId: number | undefined;
}

export interface Virtualization {
  /** 'None', 'Pass-Through', 'VGPU', 'Host VGPU', … */
  readonly mode: string | undefined;
  readonly hostVgpuMode: string | undefined;
  readonly licensedProduct: string | undefined;
  readonly licenseStatus: string | undefined;
}

export interface NvidiaSmiGpu {
  readonly uuid: string | undefined;
  readonly productName: string | undefined;
  readonly productBrand: string | undefined;
  readonly productArchitecture: string | undefined;
  /** Such as '8.9'; most drivers do not print it here. */
  readonly computeCapability: string | undefined;
  readonly serial: string | undefined;
  readonly vbiosVersion: string | undefined;
  readonly gspFirmwareVersion: string | undefined;
  readonly minorNumber: number | undefined;
  readonly persistenceMode: boolean | undefined;
  /** 'Default', 'Exclusive_Process', 'Prohibited'. */
  readonly computeMode: string | undefined;
  /** 'P0' … 'P15'. */
  readonly performanceState: string | undefined;
  readonly fanRatio: number | undefined;
  /** 'None' when the GPU is well; else what the driver asks for, which is a fault too. */
  readonly recoveryAction: string | undefined;
  readonly resetRequired: boolean | undefined;
  readonly pci: Pci;
  readonly memory: MemoryUsage;
  readonly bar1: MemoryUsage;
  readonly utilization: Utilization;
  readonly clocks: Clocks;
  readonly maxClocks: Clocks;
  readonly applicationsClocks: Clocks;
  readonly graphicsVolts: number | undefined;
  readonly throttle: Throttle;
  readonly temperature: Temperature;
  readonly power: Power;
  /** The whole module's (a Grace-Hopper board), where there is one. */
  readonly modulePower: Power;
  readonly ecc: Ecc;
  readonly retiredPages: RetiredPages;
  readonly remappedRows: RemappedRows | undefined;
  readonly mig: Mig;
  readonly fabric: Fabric;
  readonly virtualization: Virtualization;
  readonly processes: readonly GpuProcess[];
  /** Empty when every reading could be read and the driver asks for nothing. A sensor that does not read is one, too. */
  readonly faults: readonly Fault[];
}

export interface NvidiaSmiReport {
  /** The number in nvsmi_device_v13.dtd. */
  readonly schemaVersion: number | undefined;
  /** As printed: it carries no time zone. */
  readonly timestamp: string | undefined;
  readonly driverVersion: string | undefined;
  readonly cudaVersion: string | undefined;
  /** The driver's count. It can differ from `gpus.length` where nvidia-smi was asked for some of the GPUs. */
  readonly attachedGpus: number | undefined;
  readonly gpus: readonly NvidiaSmiGpu[];
  /** Faults outside any GPU's record, such as a lost GPU named in the text around the XML. */
  readonly faults: readonly Fault[];
}

export type FailureCode =
  | 'INVALID_INPUT'
  | 'EMPTY_INPUT'
  | 'INPUT_TOO_LARGE'
  | 'NO_DEVICES'
  | 'GPU_LOST'
  | 'DRIVER_MISMATCH'
  | 'DRIVER_UNAVAILABLE'
  | 'NOT_NVIDIA_SMI'
  | 'TRUNCATED_XML'
  | 'MALFORMED_XML'
  | 'UNSAFE_XML';

export interface Failure {
  readonly ok: false;
  readonly code: FailureCode;
  readonly message: string;
  readonly hint: string;
}

export type NvidiaSmiResult = { readonly ok: true; readonly value: NvidiaSmiReport } | Failure;
