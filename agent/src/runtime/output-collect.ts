import { createHash } from 'node:crypto';
import { mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Assignment } from '@capacloud/protocol/frames';
import type { Sha256Hex } from '@capacloud/protocol/ids';
import { isFilePath } from '@capacloud/protocol/job-mounts';
import { maxOutputFiles } from '@capacloud/protocol/receipt';
import type Docker from 'dockerode';
import { extract } from 'tar-stream';
import type { CollectedFile, RuntimeFailure } from '../core/ports.ts';
import { callEngine, deadlines, engineStatus, openEngineStream } from './engine-call.ts';
import { keeperPathOf, type ScratchMount } from './mount-plan.ts';
import { type Entry, feed, printable } from './tar-feed.ts';

type Output = Assignment['outputs'][number];

/** An output is not what it has to be; it becomes the attempt's outcome. */
export class OutputRefused extends Error {
  override readonly name = 'OutputRefused';
  readonly failure: RuntimeFailure;

  constructor(failure: RuntimeFailure) {
    super(failure.message);
    this.failure = failure;
  }
}

function refused(reason: RuntimeFailure['reason'], message: string): OutputRefused {
  return new OutputRefused({ reason, message: message.slice(0, 500) });
}

const maxPathLength = 1024;
/** Folders are not kept, but each costs a header. */
const maxEntries = 20_000;
// Bits of Go's FileMode in the engine's path statistics.
const goDirectory = 2 ** 31;

/**
 * Copies the outputs of an ended attempt out of its scratch into numbered files: a name from the container is never
 * part of a local path. Only regular files and folders pass.
 */
export class OutputCollector {
  readonly #docker: Docker;
  readonly #keeper: string;
  readonly #intoDir: string;
  readonly #files = new Map<string, CollectedFile>();
  #entries = 0;

  constructor(docker: Docker, keeper: string, intoDir: string) {
    this.#docker = docker;
    this.#keeper = keeper;
    this.#intoDir = intoDir;
  }

  /** Throws OutputRefused. */
  async collect(
    outputs: readonly Output[],
    scratch: readonly ScratchMount[],
    signal: AbortSignal,
  ): Promise<readonly CollectedFile[]> {
    await rm(this.#intoDir, { recursive: true, force: true });
    await mkdir(this.#intoDir, { recursive: true, mode: 0o700 });
    for (const output of outputs) await this.#collectOne(output, scratch, signal);
    return [...this.#files.values()];
  }

  async #collectOne(output: Output, scratch: readonly ScratchMount[], signal: AbortSignal): Promise<void> {
    const place = keeperPathOf(scratch, output.path);
    if (place === undefined) throw refused('output_missing', `${output.path}: it lies in no scratch folder`);
    const plainPath = output.path.replace(/\/+$/, '');
    // The engine follows links in all but the last part of a path, so each part is looked at first.
    for (let depth = 1; depth < place.parts.length; depth++) {
      const parent = [place.mount.keeperPath, ...place.parts.slice(0, depth)].join('/');
      if (!(await this.#isFolder(parent, output.path, signal)))
        throw refused('output_invalid', `${output.path}: a folder above it is a link or a file`);
    }
    const source = [place.mount.keeperPath, ...place.parts].join('/');
    const before = this.#files.size;
    await this.#copy(source, plainPath, output, signal);
    if (this.#files.size === before && !isFilePath(plainPath) && !this.#holdsBelow(plainPath))
      throw refused('output_missing', `${output.path}: the folder is empty`);
  }

  #holdsBelow(path: string): boolean {
    return [...this.#files.keys()].some((name) => name === path || name.startsWith(`${path}/`));
  }

  async #isFolder(path: string, output: string, signal: AbortSignal): Promise<boolean> {
    const response = await callEngine(signal, deadlines.queryMs, (abortSignal) =>
      this.#docker.getContainer(this.#keeper).infoArchive({ path, abortSignal }),
    ).catch((error: unknown) => {
      throw engineStatus(error) === 404 ? refused('output_missing', `${output}: no such file`) : error;
    });
    response.resume();
    const text = String(response.headers['x-docker-container-path-stat'] ?? '');
    const mode = Number(
      (JSON.parse(Buffer.from(text, 'base64').toString('utf8')) as { mode?: number }).mode ?? 0,
    );
    return Math.floor(mode / goDirectory) % 2 === 1;
  }

  async #copy(source: string, path: string, output: Output, signal: AbortSignal): Promise<void> {
    const stream = await openEngineStream(signal, deadlines.idleMs, (abortSignal) =>
      this.#docker.getContainer(this.#keeper).getArchive({ path: source, abortSignal }),
    ).catch((error: unknown) => {
      throw engineStatus(error) === 404
        ? refused('output_missing', `${path}: no such file or folder`)
        : error;
    });
    const archive = extract();
    const feeding = feed(stream.chunks, archive);
    let leftBytes = output.maxBytes;
    try {
      for await (const entry of archive) {
        const target = this.#admit(entry.header, path);
        const sizeBytes = entry.header.size ?? 0;
        if (sizeBytes > leftBytes)
          throw refused('output_too_large', `${output.path}: more than ${output.maxBytes} bytes`);
        if (target === undefined) {
          entry.resume();
        } else {
          leftBytes -= sizeBytes;
          await this.#store(entry, target);
        }
      }
      await feeding;
    } finally {
      stream.close();
    }
  }

  /** The path inside the container that an entry is kept under; undefined for a folder. */
  #admit(header: Entry['header'], path: string): string | undefined {
    if (++this.#entries > maxEntries)
      throw refused('output_invalid', `${path}: more than ${maxEntries} entries`);
    const name = header.name.replace(/\/+$/, '').split('/').slice(1);
    const target = [path, ...name].join('/');
    if (header.type !== 'file' && header.type !== 'directory')
      throw refused(
        'output_invalid',
        `${printable(target)} is a ${header.type}; only plain files are collected`,
      );
    if (name.some((part) => part === '' || part === '.' || part === '..') || target !== printable(target))
      throw refused('output_invalid', `${printable(target)}: the name is not plain text`);
    if (target.length > maxPathLength)
      throw refused('output_invalid', `${printable(target)}: the path is too long`);
    if (header.type === 'directory') return undefined;
    if (!this.#files.has(target) && this.#files.size >= maxOutputFiles)
      throw refused('output_invalid', `there are more than ${maxOutputFiles} output files`);
    return target;
  }

  async #store(entry: Entry, path: string): Promise<void> {
    if (this.#files.has(path)) {
      entry.resume();
      return;
    }
    const localPath = join(this.#intoDir, String(this.#files.size));
    const hash = createHash('sha256');
    const handle = await open(localPath, 'wx', 0o600);
    let sizeBytes = 0;
    try {
      for await (const chunk of entry as AsyncIterable<Buffer>) {
        hash.update(chunk);
        sizeBytes += chunk.length;
        await handle.writeFile(chunk);
      }
    } finally {
      await handle.close();
    }
    this.#files.set(path, { path, sizeBytes, sha256: hash.digest('hex') as Sha256Hex, localPath });
  }
}
