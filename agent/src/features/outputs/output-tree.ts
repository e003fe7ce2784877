import { posix } from 'node:path';
import { maxOutputLinks, type SkippedReason } from '@capacloud/protocol/wire/outputs';
import type { OutputLink } from '@capacloud/protocol/wire/outputs-schema';

/** As many links as the kernel follows in one path. */
const maxHops = 40;
const maxTargetChars = 2048;
/** A receipt has room for so much of links. */
const maxLinkBytes = 24 * 1024;
/** Folders are remembered for links that lead to them. */
const maxFolders = 50_000;
const maxSeenLinks = 20_000;

type Resolved = { readonly path: string } | { readonly why: SkippedReason };

/**
 * What was collected, by paths inside the container. Says where its links lead, as the kernel would, without asking a
 * file system: names and targets come from the container.
 */
export class OutputTree {
  readonly #roots: readonly string[];
  readonly #isFile: (path: string) => boolean;
  readonly #folders = new Set<string>(['/']);
  readonly #links = new Map<string, string>();

  /** `roots`: the paths of the outputs. */
  constructor(roots: readonly string[], isFile: (path: string) => boolean) {
    this.#roots = roots;
    this.#isFile = isFile;
    for (const root of roots) this.#addParents(root);
  }

  addFolder(path: string): void {
    if (this.#folders.size < maxFolders) this.#folders.add(path);
  }

  /** False where there are too many. */
  addLink(path: string, target: string): boolean {
    if (this.#links.size >= maxSeenLinks) return false;
    this.#links.set(path, target);
    return true;
  }

  /** Links that lead to what was kept, each straight to its end; others are told to `skip`. */
  links(skip: (path: string, why: SkippedReason) => void): readonly OutputLink[] {
    const kept: OutputLink[] = [];
    let bytes = 0;
    for (const path of [...this.#links.keys()].sort()) {
      const found = this.#resolve(path);
      if ('why' in found) {
        skip(path, found.why);
        continue;
      }
      const target = posix.relative(posix.dirname(path), found.path) || '.';
      const link = { path, target };
      bytes += Buffer.byteLength(JSON.stringify(link)) + 1;
      if (kept.length >= maxOutputLinks || bytes > maxLinkBytes) skip(path, 'too_many');
      else if (target.length > maxTargetChars) skip(path, 'long_name');
      else kept.push(link);
    }
    return kept;
  }

  #addParents(path: string): void {
    for (let at = posix.dirname(path); at !== '/'; at = posix.dirname(at)) this.#folders.add(at);
  }

  #resolve(link: string): Resolved {
    const rest = partsOf(link);
    let at = '/';
    for (let hops = 0; ; ) {
      const part = rest.shift();
      if (part === undefined) break;
      if (part === '..') {
        at = posix.dirname(at);
        continue;
      }
      const next = posix.join(at, part);
      const target = this.#links.get(next);
      if (target !== undefined) {
        if (++hops > maxHops) return { why: 'link_loop' };
        if (target.startsWith('/')) at = '/';
        rest.unshift(...partsOf(target));
        continue;
      }
      const isLast = rest.length === 0;
      if (!this.#folders.has(next) && !(isLast && this.#isFile(next)))
        return { why: this.#isInside(next) ? 'link_dangling' : 'link_outside' };
      at = next;
    }
    return this.#isInside(at) ? { path: at } : { why: 'link_outside' };
  }

  #isInside(path: string): boolean {
    return this.#roots.some((root) => path === root || path.startsWith(`${root}/`));
  }
}

function partsOf(path: string): string[] {
  return path.split('/').filter((part) => part !== '' && part !== '.');
}
