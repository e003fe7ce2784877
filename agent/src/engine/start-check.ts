import { posix } from 'node:path';
import type { Engine } from './engine.ts';
import { engineStatus } from './engine-call.ts';

const defaultPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const maxCandidates = 32;

/** What the engine says when the job's own command or folders are at fault. */
const commandFault =
  /executable file not found|no such file or directory|permission denied|is a directory|not a directory|exec format error|unable to find user|chdir to cwd/i;

/** What it says when the node's disk is at fault, whatever else it says of what it could not do therefore. */
const nodeFault =
  /no space left on device|input\/output error|read-only file system|disk quota exceeded|bind source path does not exist|mounts denied/i;

/** What it could not do in its own storage, as after a full disk, before it came to what the job wants. */
const storageFault = /^(chown|chmod|lstat|mkdir|open|stat|symlink|unlink) \S*\/overlay2?\//;

/** Whether the engine's refusal is the job's fault, and not the node's. */
export function isCommandFault(message: string): boolean {
  return commandFault.test(message) && !isNodeFault(message) && !storageFault.test(message);
}

/** Whether the engine's refusal is the node's fault, whatever else it says. */
export function isNodeFault(message: string): boolean {
  return nodeFault.test(message);
}

/** What the engine's answer to a question for a path tells; it gives a status alone, and no words with it. */
export function tellsOf(status: number): 'absent' | 'unclear' {
  return status === 404 || status === 400 ? 'absent' : 'unclear';
}

/** Where an execvp would look for the program: the path itself, or the name in each folder of PATH. */
export function programCandidates(
  program: string,
  env: readonly string[],
  workingDir: string,
): readonly string[] {
  const base = workingDir === '' ? '/' : workingDir;
  if (program.includes('/')) return [posix.resolve('/', base, program)];
  const path = env.findLast((entry) => entry.startsWith('PATH='))?.slice('PATH='.length) ?? defaultPath;
  return path
    .split(':')
    .slice(0, maxCandidates)
    .map((folder) => posix.resolve('/', base, folder, program));
}

/**
 * Whether the container holds the program that it is to run. Asked before the start, because the init process in
 * the container starts well and then exits with 127, which looks like an exit of the program's own.
 */
export async function holdsProgram(
  engine: Engine,
  container: string,
  candidates: readonly string[],
  signal: AbortSignal,
): Promise<'present' | 'absent' | 'unclear'> {
  const ask = (path: string) => askFor(engine, container, path, signal);
  for (const path of candidates) {
    const answer = await ask(path);
    if (answer === 'present') return 'present';
    // A path below a file, or an engine that cannot look at all, as with a full disk: then the start itself will tell.
    if (answer === 'unclear' && (await ask('/')) !== 'present') return 'unclear';
  }
  return 'absent';
}

async function askFor(
  engine: Engine,
  container: string,
  path: string,
  signal: AbortSignal,
): Promise<'present' | 'absent' | 'unclear'> {
  try {
    await engine.pathStat(container, path, signal);
    return 'present';
  } catch (error) {
    const status = engineStatus(error);
    if (status === undefined) throw error;
    return tellsOf(status);
  }
}
