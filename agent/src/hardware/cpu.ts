import { arch, cpus } from 'node:os';
import { cpu } from 'systeminformation';
import type { Probe } from './probe.ts';

export interface CpuFacts {
  readonly brand: string;
  /** Logical processors that this process may use. */
  readonly threads: number;
  /** As container images name it: amd64, arm64. */
  readonly arch: string;
}

const archNames: Readonly<Record<string, string>> = {
  x64: 'amd64',
  arm64: 'arm64',
  arm: 'arm',
  riscv64: 'riscv64',
};

export function imageArch(): string {
  return archNames[arch()] ?? arch();
}

export const cpuProbe: Probe<CpuFacts> = {
  name: 'cpu',
  deadlineMs: 15_000,
  everyMs: 3_600_000,
  async read() {
    const { manufacturer, brand } = await cpu();
    return { brand: `${manufacturer} ${brand}`.trim(), threads: cpus().length, arch: imageArch() };
  },
};

/** Processor time that was used since the last call, in thousandths of a processor. */
export class CpuMeter {
  #busyMs = 0;
  #totalMs = 0;

  readMilli(): number {
    let busyMs = 0;
    let totalMs = 0;
    const processors = cpus();
    for (const { times } of processors) {
      const active = times.user + times.nice + times.sys + times.irq;
      busyMs += active;
      totalMs += active + times.idle;
    }
    const busy = busyMs - this.#busyMs;
    const total = totalMs - this.#totalMs;
    this.#busyMs = busyMs;
    this.#totalMs = totalMs;
    return total <= 0 ? 0 : Math.max(0, Math.round((busy / total) * processors.length * 1000));
  }
}
