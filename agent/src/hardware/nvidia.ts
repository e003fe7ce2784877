import { type ChildProcess, execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { totalmem } from 'node:os';
import { type ListedGpu, type NvidiaSmiReport, parseNvidiaSmi, parseNvidiaSmiList } from 'nvidia-smi-parser';
import { nvidiaCommand } from './nvidia-command.ts';
import type { Probe } from './probe.ts';

export interface NvidiaFacts {
  readonly report: NvidiaSmiReport;
  /** Compute capability by UUID; most drivers do not put it into the XML. */
  readonly capabilities: ReadonlyMap<string, string>;
  /** What `nvidia-smi -L` lists, where there are slices: the XML has no UUIDs of these. */
  readonly list: readonly ListedGpu[];
  /** Of which GPUs on the processor's chip have their memory. */
  readonly machineMemoryBytes: number;
}

const maxOutputBytes = 8 * 1024 * 1024;

/** No driver here: nothing is wrong, there is just no such GPU (yet). */
class NvidiaAbsent extends Error {
  override readonly name = 'NvidiaAbsent';
}

/** nvidia-smi in a child process, one at a time. */
class NvidiaSmi {
  readonly #command: () => string;
  #child: ChildProcess | undefined;

  constructor(command: () => string) {
    this.#command = command;
  }

  /**
   * A GPU that fell off the bus can hang nvidia-smi in the kernel, where no signal ends it. The probe's deadline
   * lets go of it, and no second one is started beside it.
   */
  query(args: readonly string[], signal: AbortSignal): Promise<string> {
    const running = this.#child;
    if (running?.pid !== undefined && running.exitCode === null && running.signalCode === null) {
      return Promise.reject(new Error('an earlier nvidia-smi hangs and cannot be ended'));
    }
    return new Promise((resolve, reject) => {
      const options = { signal, killSignal: 'SIGKILL', maxBuffer: maxOutputBytes, encoding: 'utf8' } as const;
      this.#child = execFile(this.#command(), args, options, (error, stdout) => {
        if (error === null) return resolve(stdout);
        if (error.code === 'ENOENT') {
          return reject(new NvidiaAbsent('nvidia-smi is not installed', { cause: error }));
        }
        // It exits with an error for one lost GPU and still prints the others.
        if (stdout.trim() !== '') return resolve(stdout);
        reject(error);
      });
    });
  }
}

/** Gives undefined where there is no NVIDIA driver. */
export function nvidiaProbe(command?: string): Probe<NvidiaFacts | undefined> {
  // Looked for each time: a driver may be installed while the agent runs.
  const smi = new NvidiaSmi(() => command ?? nvidiaCommand());
  return {
    name: 'nvidia',
    deadlineMs: 20_000,
    everyMs: 30_000,
    async read(signal) {
      try {
        const result = parseNvidiaSmi(await smi.query(['-q', '-x'], signal));
        if (!result.ok && result.code === 'NO_DEVICES') return undefined;
        if (!result.ok) throw new Error(`${result.message} ${result.hint}`);
        const report = result.value;
        const csv = await smi
          .query(['--query-gpu=uuid,compute_cap', '--format=csv,noheader'], signal)
          .catch(() => '');
        const hasSlices = report.gpus.some(({ mig }) => mig.devices.length > 0);
        const list = hasSlices ? parseNvidiaSmiList(await smi.query(['-L'], signal)) : [];
        return { report, capabilities: parseCapabilities(csv), list, machineMemoryBytes: totalmem() };
      } catch (error) {
        if (error instanceof NvidiaAbsent) return undefined;
        throw error;
      }
    },
  };
}

/** Whether the kernel has its module, so that a silent nvidia-smi is a fault. */
export async function hasNvidiaDriver(): Promise<boolean> {
  return (await readFile('/proc/driver/nvidia/version', 'utf8').catch(() => '')) !== '';
}

/** Lines of `GPU-…, 8.9`; whatever else stands there is passed over. */
export function parseCapabilities(csv: string): ReadonlyMap<string, string> {
  const capabilities = new Map<string, string>();
  for (const line of csv.split('\n')) {
    const match = /^(GPU-[0-9a-f-]{36}),\s*([0-9]{1,2}\.[0-9]{1,2})\s*$/.exec(line.trim());
    if (match?.[1] !== undefined && match[2] !== undefined) capabilities.set(match[1], match[2]);
  }
  return capabilities;
}
