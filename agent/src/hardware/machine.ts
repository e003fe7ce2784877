import type { Device } from '@capacloud/protocol/capacity/resources';
import type { HeartbeatFrame } from '@capacloud/protocol/wire/frames';
import type { Logger } from 'pino';
import { CpuMeter, cpuProbe } from './cpu.ts';
import { type DeviceHistory, observeDevices, observeSilence } from './device-health.ts';
import { type LeftOut, readDevices } from './device-report.ts';
import { diskProbe } from './disk.ts';
import { memoryProbe } from './memory.ts';
import { networkProbe } from './network.ts';
import { nvidiaProbe } from './nvidia.ts';
import { type Probe, type ProbeState, watchProbe } from './probe.ts';

export interface MachineSize {
  readonly threads: number;
  readonly memoryBytes: number;
  readonly diskBytes: number;
  readonly diskFreeBytes: number;
  readonly arch: string;
}

/** So many times the room of the start are worth a new offer. */
const muchMore = 2;

/** What the probes say about this machine, kept fresh while `run` goes on. */
export class Machine {
  readonly #stateDir: string;
  readonly #log: Logger;
  readonly #onChange: () => void;
  readonly #meter = new CpuMeter();
  readonly #states = new Map<string, ProbeState<unknown>>();
  #histories: readonly DeviceHistory[] = [];
  #leftOut: readonly LeftOut[] = [];
  #size: Partial<MachineSize> = {};
  #known: MachineSize | undefined;
  #memoryFreeBytes = 0;
  #diskFreeBytes = 0;
  readonly #measured = Promise.withResolvers<MachineSize>();

  constructor(stateDir: string, log: Logger, onChange: () => void) {
    this.#stateDir = stateDir;
    this.#log = log;
    this.#onChange = onChange;
  }

  devices(): readonly Device[] {
    return this.#histories.map((history) => history.device);
  }

  /** GPUs and slices that are not offered. */
  leftOut(): readonly LeftOut[] {
    return this.#leftOut;
  }

  /** Each probe with its state, for the owner. */
  probes(): Readonly<Record<string, ProbeState<unknown>>> {
    return Object.fromEntries(this.#states);
  }

  /** Resolves when processor, memory and disk have been measured once. */
  measured(): Promise<MachineSize> {
    return this.#measured.promise;
  }

  /**
   * As it was first measured, so that offers do not flutter; but a disk on which there was little room at the start
   * counts again when there is much more. Once it has been measured.
   */
  get size(): MachineSize {
    if (this.#known === undefined) throw new Error('the machine has not been measured yet');
    return this.#known;
  }

  load(): HeartbeatFrame['load'] {
    return {
      cpuMilli: this.#meter.readMilli(),
      memoryFreeBytes: Math.max(0, Math.floor(this.#memoryFreeBytes)),
      diskFreeBytes: Math.max(0, Math.floor(this.#diskFreeBytes)),
    };
  }

  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([
      this.#watch(cpuProbe, signal, ({ threads, arch }) => this.#measure({ threads, arch })),
      this.#watch(memoryProbe, signal, ({ totalBytes, availableBytes }) => {
        this.#memoryFreeBytes = availableBytes;
        this.#measure({ memoryBytes: totalBytes });
      }),
      this.#watch(diskProbe(this.#stateDir), signal, ({ totalBytes, freeBytes }) => {
        this.#diskFreeBytes = freeBytes;
        this.#measure({ diskBytes: totalBytes, diskFreeBytes: freeBytes });
      }),
      this.#watch(networkProbe, signal, () => {}),
      this.#watch(
        nvidiaProbe(),
        signal,
        (facts) => {
          if (facts === undefined)
            return this.#setDevices(observeSilence(this.#histories, 'The driver is gone.'));
          const { devices, leftOut } = readDevices(facts);
          this.#setLeftOut(leftOut);
          this.#setDevices(observeDevices(this.#histories, devices));
        },
        (error) => this.#setDevices(observeSilence(this.#histories, error)),
      ),
    ]);
  }

  async #watch<T>(
    probe: Probe<T>,
    signal: AbortSignal,
    onValue: (value: T) => void,
    onError: (error: string) => void = () => {},
  ): Promise<void> {
    await watchProbe(
      probe,
      (state) => {
        const before = this.#states.get(probe.name)?.kind;
        this.#states.set(probe.name, state);
        if (state.kind === 'ok') onValue(state.value);
        if (state.kind === 'failed') onError(state.error);
        if (state.kind === 'failed' && before !== 'failed') {
          this.#log.warn({ probe: probe.name, reason: state.error }, 'a probe failed and is repeated');
        }
      },
      signal,
    );
  }

  #measure(part: Partial<MachineSize>): void {
    const hasGrown =
      (part.diskFreeBytes ?? 0) > muchMore * (this.#size.diskFreeBytes ?? Number.POSITIVE_INFINITY);
    this.#size = hasGrown ? { ...this.#size, ...part } : { ...part, ...this.#size };
    const { threads, memoryBytes, diskBytes, diskFreeBytes, arch } = this.#size;
    if (threads === undefined || memoryBytes === undefined || diskBytes === undefined) return;
    if (diskFreeBytes === undefined || arch === undefined) return;
    this.#known = { threads, memoryBytes, diskBytes, diskFreeBytes, arch };
    this.#measured.resolve(this.#known);
    if (hasGrown) this.#onChange();
  }

  #setLeftOut(leftOut: readonly LeftOut[]): void {
    const known = new Set(this.#leftOut.map((each) => JSON.stringify(each)));
    for (const each of leftOut)
      if (!known.has(JSON.stringify(each))) this.#log.warn(each, 'a device is left out of the offer');
    this.#leftOut = leftOut;
  }

  #setDevices(histories: readonly DeviceHistory[]): void {
    const before = JSON.stringify(this.devices());
    for (const { device } of histories) {
      const old = this.#histories.find((history) => history.device.id === device.id)?.device;
      if (old?.health === device.health) continue;
      const { id, health, reason, model } = device;
      this.#log[health === 'healthy' ? 'info' : 'error'](
        { device: id, model, health, reason },
        'device health',
      );
    }
    this.#histories = histories;
    if (JSON.stringify(this.devices()) !== before) this.#onChange();
  }
}
