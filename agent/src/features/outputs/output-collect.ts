import { createHash } from 'node:crypto';
import { mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Sha256Hex } from '@capacloud/protocol/ids';
import { isFilePath } from '@capacloud/protocol/job/job-mounts';
import type { Assignment } from '@capacloud/protocol/wire/frames';
import type { SkippedReason } from '@capacloud/protocol/wire/outputs';
import type { OutputLink, SkippedOutputs } from '@capacloud/protocol/wire/outputs-schema';
import { extract } from 'tar-stream';
import type { CollectedFile, RuntimeFailure } from '../../core/ports.ts';
import { own, type Sentence, say } from '../../core/sentence.ts';
import type { Engine } from '../../engine/engine.ts';
import { type Entry, feed, printable } from '../../engine/tar-feed.ts';
import type { ScratchMount } from '../../scratch/mount-plan.ts';
import { findInScratch } from '../../scratch/scratch-walk.ts';
import { HardLinks } from './hard-links.ts';
import { packFiles, splitFiles } from './output-pack.ts';
import { OutputTree } from './output-tree.ts';
import { SkippedNotes } from './skipped-outputs.ts';

type Output = Assignment['outputs'][number];

/** What was kept, and what was not. */
export interface KeptOutputs {
  readonly files: readonly CollectedFile[];
  readonly links: readonly OutputLink[];
  /** Outputs that are folders without a file. */
  readonly emptyFolders?: readonly string[];
  readonly skipped?: SkippedOutputs;
  /** An output that has to be there is not. */
  readonly failure?: RuntimeFailure;
}

const maxPathLength = 1024;
/** Files of one attempt; those that a receipt cannot name are packed. */
const maxFiles = 20_000;
/** More than the inodes of any scratch: what a single archive may bring. */
const maxEntries = 300_000;

const failureSentences: Partial<Record<SkippedReason, Sentence>> = {
  special: say`it is neither a file nor a folder`,
  link_outside: say`it is a link that leads out of the outputs`,
  link_loop: say`it is a link that leads back to itself`,
  too_large: say`it is larger than its max_size`,
  not_storable: say`it is larger than any file that the coordinator stores`,
};

/**
 * Copies the outputs of an ended attempt out of its scratch into numbered files: a name from the container is never
 * part of a local path. What cannot be kept is noted, and the rest is kept.
 */
export class OutputCollector {
  readonly #engine: Engine;
  readonly #keeper: string;
  readonly #intoDir: string;
  readonly #files = new Map<string, CollectedFile>();
  readonly #skipped = new SkippedNotes();
  readonly #emptyFolders: string[] = [];
  readonly #failures: RuntimeFailure[] = [];
  #maxFileBytes = Number.MAX_SAFE_INTEGER;
  #stored = 0;

  constructor(engine: Engine, keeper: string, intoDir: string) {
    this.#engine = engine;
    this.#keeper = keeper;
    this.#intoDir = intoDir;
  }

  async collect(
    { maxFileBytes, outputs }: Pick<Assignment, 'maxFileBytes' | 'outputs'>,
    scratch: readonly ScratchMount[],
    signal: AbortSignal,
  ): Promise<KeptOutputs> {
    this.#maxFileBytes = maxFileBytes ?? Number.MAX_SAFE_INTEGER;
    await rm(this.#intoDir, { recursive: true, force: true });
    await mkdir(this.#intoDir, { recursive: true, mode: 0o700 });
    const roots = outputs.map((output) => plainPath(output));
    const tree = new OutputTree(roots, (path) => this.#files.has(path));
    for (const output of outputs) await this.#collectOne(output, scratch, tree, signal);
    const links = tree.links((path, why) => this.#skipped.add(path, why));
    const files = await this.#packed(signal);
    const skipped = this.#skipped.notes;
    const failure = this.#failure();
    return {
      files,
      links,
      ...(this.#emptyFolders.length === 0 ? {} : { emptyFolders: this.#emptyFolders }),
      ...(skipped === undefined ? {} : { skipped }),
      ...(failure === undefined ? {} : { failure }),
    };
  }

  async #collectOne(
    output: Output,
    scratch: readonly ScratchMount[],
    tree: OutputTree,
    signal: AbortSignal,
  ): Promise<void> {
    const path = plainPath(output);
    const place = await findInScratch({ engine: this.#engine, keeper: this.#keeper, scratch }, path, signal);
    if (place.kind !== 'found') return this.#lack(output, place.kind === 'missing' ? undefined : place.kind);
    const lost = await this.#copy(place.keeperPath, output, tree, signal);
    if (this.#holds(path)) return;
    // A folder without a file is as good as one with files, unless all were too large.
    const isLarge = lost === 'too_large' || lost === 'not_storable';
    if (isFilePath(path) ? lost !== 'empty folder' : isLarge)
      this.#lack(output, lost === 'empty folder' ? undefined : lost);
    else this.#emptyFolders.push(path);
  }

  #holds(path: string): boolean {
    if (this.#files.has(path)) return true;
    for (const name of this.#files.keys()) if (name.startsWith(`${path}/`)) return true;
    return false;
  }

  #lack({ optional, path }: Output, why: SkippedReason | undefined): void {
    if (why === 'link_outside' || why === 'link_loop') this.#skipped.add(path, why);
    if (optional === true) return;
    const sentence = (why === undefined ? undefined : failureSentences[why]) ?? say`no such file or folder`;
    const isLarge = why === 'too_large' || why === 'not_storable';
    const reason = why === undefined ? 'output_missing' : isLarge ? 'output_too_large' : 'output_invalid';
    this.#failures.push({ reason, message: say`${own(printable(path))}: ${sentence}` });
  }

  #failure(): RuntimeFailure | undefined {
    const [first, ...rest] = this.#failures;
    if (first === undefined || rest.length === 0) return first;
    const others = rest.length === 1 ? say`one more output` : say`${rest.length} more outputs`;
    return { ...first, message: say`${first.message} (and ${others})` };
  }

  /** Gives why the last thing was lost that was not kept, or that there was nothing but folders. */
  async #copy(
    source: string,
    output: Output,
    tree: OutputTree,
    signal: AbortSignal,
  ): Promise<SkippedReason | 'empty folder' | undefined> {
    const stream = await this.#engine.getArchive(this.#keeper, source, signal);
    const archive = extract();
    const feeding = feed(stream.chunks, archive);
    const path = plainPath(output);
    const contents = new HardLinks(output.maxBytes);
    let leftBytes = output.maxBytes;
    let lost: SkippedReason | 'empty folder' | undefined;
    let entries = 0;
    try {
      for await (const entry of archive) {
        const target = targetOf(entry.header, path);
        const { header } = entry;
        const why = ++entries > maxEntries ? 'too_many' : this.#judge(header, target, leftBytes, contents);
        if (why !== undefined) {
          // What a folder holds is named itself.
          if (header.type !== 'directory') this.#skipped.add(target, why);
          // What is too large is what its owner can do something about.
          if (lost !== 'too_large' && lost !== 'not_storable') lost = why;
          const waits = header.type === 'file' && why.endsWith('name') && contents.mayWait(header.size ?? 0);
          if (waits) contents.addWaiting(header.name, await this.#store(entry, target, signal));
          else entry.resume();
          if (entries > maxEntries) break;
        } else if (header.type === 'file') {
          const known = this.#files.get(target);
          leftBytes -= known === undefined ? (header.size ?? 0) : 0;
          if (known !== undefined) entry.resume();
          const file = known ?? (await this.#store(entry, target, signal));
          this.#files.set(target, file);
          contents.add(header.name, file);
        } else {
          entry.resume();
          if (header.type === 'directory') {
            tree.addFolder(target);
            lost ??= 'empty folder';
          } else leftBytes -= this.#addLink(header, target, tree, contents);
        }
      }
      if (entries <= maxEntries) await feeding;
    } finally {
      stream.close();
    }
    return lost;
  }

  /** Why an entry is not kept; undefined when it is. */
  #judge(
    header: Entry['header'],
    target: string,
    leftBytes: number,
    contents: HardLinks,
  ): SkippedReason | undefined {
    const { linkname, size, type } = header;
    if (type !== 'file' && type !== 'directory' && type !== 'symlink' && type !== 'link') return 'special';
    const parts = target.slice(1).split('/');
    if (parts.some((part) => part === '' || part === '.' || part === '..')) return 'name';
    if (target !== printable(target)) return 'name';
    if (target.length > maxPathLength) return 'long_name';
    const cost = type === 'link' ? contents.costOf(linkname ?? '') : size;
    if (cost === undefined) return 'link_dangling';
    if (type === 'symlink' || type === 'directory' || this.#files.has(target)) return undefined;
    if (this.#files.size >= maxFiles) return 'too_many';
    if (cost > this.#maxFileBytes) return 'not_storable';
    return cost > leftBytes ? 'too_large' : undefined;
  }

  /** Gives how many bytes more are kept for it. */
  #addLink(
    { linkname, type }: Entry['header'],
    target: string,
    tree: OutputTree,
    contents: HardLinks,
  ): number {
    const name = linkname ?? '';
    if (type === 'symlink') {
      if (!tree.addLink(target, name)) this.#skipped.add(target, 'too_many');
      return 0;
    }
    if (this.#files.has(target)) return 0;
    const cost = contents.costOf(name) ?? 0;
    const same = contents.take(name);
    if (same !== undefined) this.#files.set(target, { ...same, path: target });
    return cost;
  }

  async #store(entry: Entry, path: string, signal: AbortSignal): Promise<CollectedFile> {
    const localPath = join(this.#intoDir, String(this.#stored++));
    const hash = createHash('sha256');
    const handle = await open(localPath, 'wx', 0o600);
    let sizeBytes = 0;
    try {
      for await (const chunk of entry as AsyncIterable<Buffer>) {
        signal.throwIfAborted();
        hash.update(chunk);
        sizeBytes += chunk.length;
        await handle.writeFile(chunk);
      }
    } finally {
      await handle.close();
    }
    return { path, sizeBytes, sha256: hash.digest('hex') as Sha256Hex, localPath };
  }

  async #packed(signal: AbortSignal): Promise<readonly CollectedFile[]> {
    const { left, named, packed } = splitFiles([...this.#files.values()], this.#maxFileBytes);
    for (const { path } of left) this.#skipped.add(path, 'too_many');
    if (packed.length === 0) return named;
    const archive = await packFiles(packed, join(this.#intoDir, 'packed.tar'), signal);
    const needed = new Set(named.map(({ localPath }) => localPath));
    for (const { localPath } of packed) if (!needed.has(localPath)) await rm(localPath, { force: true });
    return [...named, archive];
  }
}

function plainPath({ path }: Output): string {
  return path.replace(/\/+$/, '');
}

/** The path inside the container: the engine's names begin with the last part of what was asked for. */
function targetOf({ name }: Entry['header'], path: string): string {
  return [path, ...name.replace(/\/+$/, '').split('/').slice(1)].join('/');
}
