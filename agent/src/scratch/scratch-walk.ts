import { posix } from 'node:path';
import { extract } from 'tar-stream';
import type { Engine } from '../engine/engine.ts';
import { engineStatus } from '../engine/engine-call.ts';
import { feed } from '../engine/tar-feed.ts';
import { keeperPathOf, type ScratchMount } from './mount-plan.ts';

// Bits of Go's FileMode in the engine's path statistics.
const goDirectory = 2 ** 31;
const goSymlink = 2 ** 27;
const maxHops = 40;
const maxSteps = 512;

export type Place =
  | { readonly kind: 'found'; readonly keeperPath: string }
  | { readonly kind: 'missing' | 'link_outside' | 'link_loop' };

/** Scratch folders, and the keeper that holds them. */
export interface HeldScratch {
  readonly engine: Engine;
  readonly keeper: string;
  readonly scratch: readonly ScratchMount[];
}

/**
 * Finds what a path of the task's container is in its scratch, as the keeper sees it, and follows links that stay there. The
 * engine would follow links in the keeper's own file system, so each part is looked at before the next is named.
 */
export async function findInScratch(
  { engine, keeper, scratch }: HeldScratch,
  path: string,
  signal: AbortSignal,
): Promise<Place> {
  const start = keeperPathOf(scratch, path);
  if (start === undefined) return { kind: 'missing' };
  let { mount } = start;
  let at: string[] = [];
  let rest = [...start.parts];
  let hops = 0;
  for (let steps = 0; rest.length > 0; steps++) {
    const part = rest.shift() ?? '';
    if (steps > maxSteps) return { kind: 'link_loop' };
    if (part === '..' && at.pop() === undefined) return { kind: 'link_outside' };
    if (part === '..') continue;
    const keeperPath = [mount.keeperPath, ...at, part].join('/');
    const mode = await modeOf(engine, keeper, keeperPath, signal);
    if (mode === undefined) return { kind: 'missing' };
    if (Math.floor(mode / goSymlink) % 2 === 1) {
      if (++hops > maxHops) return { kind: 'link_loop' };
      const target = await linkTarget(engine, keeper, keeperPath, signal);
      if (!target.startsWith('/')) {
        rest = [...partsOf(target), ...rest];
        continue;
      }
      const place = keeperPathOf(scratch, posix.normalize(target));
      if (place === undefined) return { kind: 'link_outside' };
      ({ mount } = place);
      at = [];
      rest = [...place.parts, ...rest];
      continue;
    }
    if (rest.length > 0 && Math.floor(mode / goDirectory) % 2 === 0) return { kind: 'missing' };
    at.push(part);
  }
  return { kind: 'found', keeperPath: [mount.keeperPath, ...at].join('/') };
}

function partsOf(path: string): string[] {
  return path.split('/').filter((part) => part !== '' && part !== '.');
}

/** Of the thing itself, were it a link; undefined where there is none. */
async function modeOf(
  engine: Engine,
  keeper: string,
  path: string,
  signal: AbortSignal,
): Promise<number | undefined> {
  try {
    const { mode } = JSON.parse(await engine.pathStat(keeper, path, signal)) as { readonly mode?: number };
    return Number(mode ?? 0);
  } catch (error) {
    if (engineStatus(error) === 404) return undefined;
    throw error;
  }
}

/** What a link says. The engine's own answer is resolved in the keeper, where the task's paths mean nothing. */
async function linkTarget(
  engine: Engine,
  keeper: string,
  path: string,
  signal: AbortSignal,
): Promise<string> {
  const stream = await engine.getArchive(keeper, path, signal);
  const archive = extract();
  const feeding = feed(stream.chunks, archive);
  let target = '';
  try {
    for await (const entry of archive) {
      if (entry.header.type === 'symlink') target = entry.header.linkname ?? '';
      entry.resume();
    }
    await feeding;
  } finally {
    stream.close();
  }
  return target;
}
