import { execFile } from 'node:child_process';
import { type NvidiaSmiReport, parseNvidiaSmi } from 'nvidia-smi-parser';
import type { Probe } from './probe.ts';

export interface NvidiaFacts {
  readonly report: NvidiaSmiReport;
  /** Compute capability by UUID; most drivers do not put it into the XML. */
  readonly capabilities: ReadonlyMap<string, string>;
}

const maxOutputBytes = 8 * 1024 * 1024;

/** No driver here: nothing is wrong, there is just no such GPU (yet). */
export class NvidiaAbsent extends Error {
  override readonly name = 'NvidiaAbsent';
}

/**
 * Runs a query in a child process. A GPU that fell off the bus can hang nvidia-smi in the kernel, where no signal
 * ends it: the probe's own deadline lets go of it then.
 */
function query(command: string, args: readonly string[], signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(
      command,
      args,
      { signal, killSignal: 'SIGKILL', maxBuffer: maxOutputBytes, encoding: 'utf8' },
      (error, stdout) => {
        if (error === null) return resolve(stdout);
        if (error.code === 'ENOENT')
          return reject(new NvidiaAbsent('nvidia-smi is not installed', { cause: error }));
        // It exits with an error for one lost GPU and still prints the others.
        if (stdout.trim() !== '') return resolve(stdout);
        reject(error);
      },
    );
  });
}

export function nvidiaProbe(command = 'nvidia-smi'): Probe<NvidiaFacts> {
  return {
    name: 'nvidia',
    deadlineMs: 20_000,
    everyMs: 30_000,
    async read(signal) {
      const result = parseNvidiaSmi(await query(command, ['-q', '-x'], signal));
      if (!result.ok) {
        if (result.code === 'NO_DEVICES') throw new NvidiaAbsent(result.message);
        throw new Error(`${result.message} ${result.hint}`);
      }
      const csv = await query(
        command,
        ['--query-gpu=uuid,compute_cap', '--format=csv,noheader'],
        signal,
      ).catch(() => '');
      return { report: result.value, capabilities: parseCapabilities(csv) };
    },
  };
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
