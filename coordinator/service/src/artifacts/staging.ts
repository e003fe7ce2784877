import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { isSha256, type Sha256Hex } from '@capacloud/protocol/ids';
import type { ArtifactProgress } from '../ports/artifact-store.ts';

/** One upload that is not complete. The file's length is the durable offset. */
export interface StagedUpload {
  readonly owner: string;
  readonly sha256: Sha256Hex;
  readonly sizeBytes: number;
  offset: number;
  touchedAt: number;
}

interface HashedPrefix {
  readonly hash: Hash;
  bytes: number;
}

/** Hash states kept in memory; an upload beyond them is hashed again from its file when it completes. */
const maxHashStates = 256;
const namePattern = /^([0-9a-f]{64})\.(0|[1-9][0-9]{0,15})$/;

/**
 * Partial uploads: staging/<owner>/<sha256>.<size>. They are kept apart by owner, so that two accounts never
 * write one file, and so that knowing a hash gives nobody the bytes.
 */
export class Staging {
  readonly #folder: string;
  readonly #now: () => number;
  readonly #uploads = new Map<string, StagedUpload>();
  readonly #hashes = new Map<string, HashedPrefix>();
  readonly #bytesByOwner = new Map<string, number>();
  #totalBytes = 0;
  #unwrittenBytes = 0;

  constructor(folder: string, now: () => number) {
    this.#folder = folder;
    this.#now = now;
  }

  /** Announced bytes of all uploads, or of one owner's: what completes will need this room. */
  reservedBytes(owner?: string): number {
    return owner === undefined ? this.#totalBytes : (this.#bytesByOwner.get(owner) ?? 0);
  }

  /** Announced bytes that are not on the disk yet. */
  unwrittenBytes(): number {
    return this.#unwrittenBytes;
  }

  /** Finds what an earlier run left. */
  async restore(): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    for (const owner of await readdir(this.#folder)) {
      for (const name of await readdir(join(this.#folder, owner))) {
        const [, sha256 = '', size = ''] = namePattern.exec(name) ?? [];
        const path = join(this.#folder, owner, name);
        if (!isSha256(sha256)) {
          await rm(path, { force: true, recursive: true });
          continue;
        }
        const file = await stat(path);
        this.#add({ owner, sha256, sizeBytes: Number(size), offset: file.size, touchedAt: file.mtimeMs });
      }
    }
  }

  get(owner: string, sha256: Sha256Hex): StagedUpload | undefined {
    return this.#uploads.get(`${owner}/${sha256}`);
  }

  async begin(owner: string, sha256: Sha256Hex, sizeBytes: number): Promise<StagedUpload> {
    const upload = { owner, sha256, sizeBytes, offset: 0, touchedAt: this.#now() };
    // Added before the first wait, so that the room is taken before anybody else asks for it.
    this.#add(upload);
    try {
      await mkdir(join(this.#folder, owner), { recursive: true, mode: 0o700 });
      await (await open(this.#pathOf(upload), 'a', 0o600)).close();
    } catch (error) {
      this.#forget(upload);
      throw error;
    }
    return upload;
  }

  /**
   * Appends the bytes of `body`, at most up to the announced size, and advances the offset as they are written.
   * When writing fails, what was half-written is cut off. Gives false when `body` brought more than fits.
   */
  async append(upload: StagedUpload, body: Readable): Promise<boolean> {
    const file = await open(this.#pathOf(upload), 'r+');
    const prefix = this.#prefixOf(upload);
    try {
      for await (const chunk of body as AsyncIterable<Buffer>) {
        if (chunk.length > upload.sizeBytes - upload.offset) return false;
        await writeAt(file, chunk, upload.offset);
        if (prefix !== undefined && prefix.bytes === upload.offset) {
          prefix.hash.update(chunk);
          prefix.bytes += chunk.length;
        }
        upload.offset += chunk.length;
        if (this.#uploads.get(keyOf(upload)) === upload) this.#unwrittenBytes -= chunk.length;
        upload.touchedAt = this.#now();
      }
      return true;
    } finally {
      await file.close();
    }
  }

  /** SHA-256 of all the bytes, which are on stable storage after it. */
  async finish(upload: StagedUpload): Promise<string> {
    const path = this.#pathOf(upload);
    const file = await open(path, 'r+');
    try {
      await file.sync();
    } finally {
      await file.close();
    }
    const prefix = this.#hashes.get(keyOf(upload));
    // A hash gives its digest once, and what follows may fail and be tried again.
    this.#hashes.delete(keyOf(upload));
    if (prefix !== undefined && prefix.bytes === upload.sizeBytes) return prefix.hash.digest('hex');
    const hash = createHash('sha256');
    for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
    return hash.digest('hex');
  }

  async moveTo(upload: StagedUpload, path: string): Promise<void> {
    await rename(this.#pathOf(upload), path);
    this.#forget(upload);
  }

  async discard(upload: StagedUpload): Promise<void> {
    this.#forget(upload);
    await rm(this.#pathOf(upload), { force: true });
  }

  untouchedSince(before: number): readonly StagedUpload[] {
    return [...this.#uploads.values()].filter((upload) => upload.touchedAt < before);
  }

  #pathOf(upload: StagedUpload): string {
    return join(this.#folder, upload.owner, `${upload.sha256}.${upload.sizeBytes}`);
  }

  #prefixOf(upload: StagedUpload): HashedPrefix | undefined {
    const key = keyOf(upload);
    const known = this.#hashes.get(key);
    if (known !== undefined) return known;
    if (upload.offset !== 0) return undefined;
    if (this.#hashes.size >= maxHashStates) {
      const [oldest] = this.#hashes.keys();
      if (oldest !== undefined) this.#hashes.delete(oldest);
    }
    const prefix = { hash: createHash('sha256'), bytes: 0 };
    this.#hashes.set(key, prefix);
    return prefix;
  }

  #add(upload: StagedUpload): void {
    this.#uploads.set(keyOf(upload), upload);
    this.#totalBytes += upload.sizeBytes;
    this.#unwrittenBytes += upload.sizeBytes - upload.offset;
    this.#bytesByOwner.set(upload.owner, this.reservedBytes(upload.owner) + upload.sizeBytes);
  }

  #forget(upload: StagedUpload): void {
    this.#hashes.delete(keyOf(upload));
    if (!this.#uploads.delete(keyOf(upload))) return;
    this.#totalBytes -= upload.sizeBytes;
    this.#unwrittenBytes -= upload.sizeBytes - upload.offset;
    const rest = this.reservedBytes(upload.owner) - upload.sizeBytes;
    if (rest > 0) this.#bytesByOwner.set(upload.owner, rest);
    else this.#bytesByOwner.delete(upload.owner);
  }
}

export function progressOf(upload: StagedUpload): ArtifactProgress {
  const { sha256, sizeBytes, offset } = upload;
  return { sha256, sizeBytes, offset, complete: false };
}

function keyOf(upload: StagedUpload): string {
  return `${upload.owner}/${upload.sha256}`;
}

async function writeAt(file: FileHandle, chunk: Buffer, offset: number): Promise<void> {
  try {
    let written = 0;
    while (written < chunk.length) {
      const { bytesWritten } = await file.write(chunk, written, chunk.length - written, offset + written);
      written += bytesWritten;
    }
  } catch (error) {
    // A chunk is there as a whole or not at all. Where even cutting off fails, the hash finds it out in the end.
    await file.truncate(offset).catch(() => undefined);
    throw error;
  }
}
