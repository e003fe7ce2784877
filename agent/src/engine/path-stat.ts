import type { Engine } from './engine.ts';
import { engineStatus } from './engine-call.ts';

/** What the engine tells of a path in a container; of a link itself, not of what it leads to. */
export interface PathStat {
  readonly isFolder: boolean;
  readonly isFile: boolean;
  /** Permission bits with the sticky bit, as chmod takes them. */
  readonly mode: number;
  readonly sizeBytes: number;
}

// Bits of Go's FileMode, which the engine's answer holds.
const goFolder = 2 ** 31;
const goSticky = 2 ** 20;
const goOtherTypes = [2 ** 27, 2 ** 26, 2 ** 25, 2 ** 24, 2 ** 21, 2 ** 19];

/** Undefined where there is no such path, or none that can be looked at, as one below a file. */
export async function statPath(
  engine: Engine,
  container: string,
  path: string,
  signal: AbortSignal,
): Promise<PathStat | undefined> {
  try {
    return readPathStat(await engine.pathStat(container, path, signal));
  } catch (error) {
    const status = engineStatus(error);
    if (status === 404 || status === 400) return undefined;
    throw error;
  }
}

export function readPathStat(text: string): PathStat {
  const { mode = 0, size = 0 } = JSON.parse(text) as { mode?: number; size?: number };
  const has = (bit: number) => Math.floor(mode / bit) % 2 === 1;
  const isFolder = has(goFolder);
  return {
    isFolder,
    isFile: !isFolder && !goOtherTypes.some(has),
    mode: (mode % 0o1000) + (has(goSticky) ? 0o1000 : 0),
    sizeBytes: size,
  };
}
