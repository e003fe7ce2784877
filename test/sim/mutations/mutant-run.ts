import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** What a seed came to; no rule where it passed. */
export interface SeedReport {
  readonly seed: number;
  readonly rule?: string | undefined;
  readonly detail?: string | undefined;
}

export interface MutantRun {
  /** Seeds that ended, in order; the last one may have failed. */
  readonly reports: readonly SeedReport[];
  /** The process could not run the seeds at all, and why. */
  readonly broken?: string;
  /** It was ended because a seed took too long. */
  readonly endless?: number;
}

const program = join(import.meta.dirname, 'mutant-process.ts');
const args = ['--conditions=@capacloud/source', '--disable-warning=ExperimentalWarning', program];
/** Half of a short run is compiling the product, which is the same each time but for one file. */
const codeCache = join(import.meta.dirname, '..', '..', '..', '.cache', 'sim-code');
const maxErrorText = 2000;

/** Runs seeds in a process of their own, whole or without a guard, until one fails or there are no more. */
export async function runSeeds(
  seeds: readonly number[],
  guard: string | undefined,
  limits: { readonly seedMs: number; readonly signal: AbortSignal },
): Promise<MutantRun> {
  const child = spawn(process.execPath, [...args, seeds.join(), ...(guard === undefined ? [] : [guard])], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NODE_COMPILE_CACHE: codeCache },
    signal: limits.signal,
  });
  const reports: SeedReport[] = [];
  let errors = '';
  let endless: number | undefined;
  const giveUp = () => {
    endless = seeds[reports.length];
    child.kill('SIGKILL');
  };
  let timer = setTimeout(giveUp, limits.seedMs);
  child.stderr.on('data', (text: Buffer) => {
    errors = `${errors}${text.toString('utf8')}`.slice(-maxErrorText);
  });
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (!line.startsWith('{"seed"')) return;
    reports.push(JSON.parse(line) as SeedReport);
    clearTimeout(timer);
    timer = setTimeout(giveUp, limits.seedMs);
  });
  const [code] = (await once(child, 'close')) as [number | null];
  clearTimeout(timer);
  if (endless !== undefined) return { reports, endless };
  return code === 0
    ? { reports }
    : { reports, broken: errors === '' ? `exit ${code ?? 'by signal'}` : errors };
}
