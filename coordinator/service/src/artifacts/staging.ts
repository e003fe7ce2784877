import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { type AccountId, isSha256, type Sha256Hex } from '@capacloud/protocol/ids';
import type { ArtifactProgress } from '../ports/artifact-store.ts';

/** One upload that is not complete. The file's length is the durable offset. */
export interface StagedUpload {
  readonly owner: string;
  /** Accounts whose storage it counts against. */
  readonly payers: readonly AccountId[];
  readonly sha256: Sha256Hex;
  readonly sizeBytes: number;
  readonly begunAt: number;
  offset: number;
  /** What the request that is under way may still bring. */
  windowBytes: number;
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
 * write one file, and so that knowing a hash gives nobody the bytes. What has arrived counts, and what a request may
 * bring now; an announcement alone takes no room from anybody.
 */
export class Staging {
  readonly #folder: string;
  readonly #now: () => number;
  readonly #uploads = new Map<string, Map<Sha256Hex, StagedUpload>>();
  readonly #hashes = new Map<string, HashedPrefix>();
  readonly #bytesByPayer = new Map<AccountId, number>();
  #totalBytes = 0;
  #unwrittenBytes = 0;

  constructor(folder: string, now: () => number) {
    this.#folder = folder;
    this.#now = now;
  }

  /** Bytes that are here or may come with the requests of now: of all uploads, or of those that the account pays for. */
  reservedBytes(payer?: AccountId): number {
    return payer === undefined ? this.#totalBytes : (this.#bytesByPayer.get(payer) ?? 0);
  }

  /** Those of them that are not on the disk yet. */
  unwrittenBytes(): number {
    return this.#unwrittenBytes;
  }

  /** Finds what an earlier run left, and removes what belongs to nobody any more. */
  async restore(payersOf: (owner: string) => Promise<readonly AccountId[] | undefined>): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    for (const owner of await readdir(this.#folder)) {
      const payers = await payersOf(owner);
      if (payers === undefined) await rm(join(this.#folder, owner), { force: true, recursive: true });
      else await this.#restoreOwner(owner, payers);
    }
  }

  async #restoreOwner(owner: string, payers: readonly AccountId[]): Promise<void> {
    for (const name of await readdir(join(this.#folder, owner))) {
      const [, sha256 = '', size = ''] = namePattern.exec(name) ?? [];
      const path = join(this.#folder, owner, name);
      if (!isSha256(sha256) || this.get(owner, sha256) !== undefined) {
        await rm(path, { force: true, recursive: true });
        continue;
      }
      const { birthtimeMs: begunAt, mtimeMs: touchedAt, size: offset } = await stat(path);
      this.#add({
        owner,
        payers,
        sha256,
        sizeBytes: Number(size),
        begunAt,
        offset,
        windowBytes: 0,
        touchedAt,
      });
    }
  }

  get(owner: string, sha256: Sha256Hex): StagedUpload | undefined {
    return this.#uploads.get(owner)?.get(sha256);
  }

  all(): readonly StagedUpload[] {
    return [...this.#uploads.values()].flatMap((uploads) => [...uploads.values()]);
  }

  of(owner: string): readonly StagedUpload[] {
    return [...(this.#uploads.get(owner)?.values() ?? [])];
  }

  isHere(upload: StagedUpload): boolean {
    return this.get(upload.owner, upload.sha256) === upload;
  }

  async begin(
    owner: string,
    payers: readonly AccountId[],
    sha256: Sha256Hex,
    sizeBytes: number,
  ): Promise<StagedUpload> {
    const at = this.#now();
    const upload = {
      owner,
      payers,
      sha256,
      sizeBytes,
      begunAt: at,
      offset: 0,
      windowBytes: 0,
      touchedAt: at,
    };
    // Added before the first wait, so that there are never two of them.
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

  /** Takes room for what one request may bring, before anybody else asks for it. */
  reserve(upload: StagedUpload, bytes: number): void {
    this.#count(upload, bytes - upload.windowBytes);
    this.#unwrittenBytes += this.isHere(upload) ? bytes - upload.windowBytes : 0;
    upload.windowBytes = bytes;
  }

  /**
   * Appends the bytes of `body`, at most what was reserved, and advances the offset as they are written. When writing
   * fails, what was half-written is cut off. Gives false when `body` brought more than fits.
   */
  async append(upload: StagedUpload, body: Readable): Promise<boolean> {
    const file = await open(this.#pathOf(upload), 'r+');
    const prefix = this.#prefixOf(upload);
    try {
      for await (const chunk of body.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
        if (chunk.length > upload.windowBytes) return false;
        await writeAt(file, chunk, upload.offset);
        if (prefix !== undefined && prefix.bytes === upload.offset) {
          prefix.hash.update(chunk);
          prefix.bytes += chunk.length;
        }
        upload.offset += chunk.length;
        upload.windowBytes -= chunk.length;
        if (this.isHere(upload)) this.#unwrittenBytes -= chunk.length;
        upload.touchedAt = this.#now();
      }
      return true;
    } finally {
      // The rest is read and dropped: the connection stays, so the sender hears why, and the next request comes through.
      body.resume();
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

  /** Removes the folder of an owner of whom nothing more comes. */
  async removeOwner(owner: string): Promise<void> {
    for (const upload of this.of(owner)) this.#forget(upload);
    await rm(join(this.#folder, owner), { force: true, recursive: true });
  }

  /** Owners that have a folder. */
  owners(): Promise<readonly string[]> {
    return readdir(this.#folder);
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
    const ofOwner = this.#uploads.get(upload.owner) ?? new Map<Sha256Hex, StagedUpload>();
    this.#uploads.set(upload.owner, ofOwner.set(upload.sha256, upload));
    this.#count(upload, upload.offset);
  }

  #forget(upload: StagedUpload): void {
    if (!this.isHere(upload)) return;
    this.#hashes.delete(keyOf(upload));
    this.#count(upload, -upload.offset - upload.windowBytes);
    this.#unwrittenBytes -= upload.windowBytes;
    const ofOwner = this.#uploads.get(upload.owner);
    ofOwner?.delete(upload.sha256);
    if (ofOwner?.size === 0) this.#uploads.delete(upload.owner);
  }

  #count(upload: StagedUpload, bytes: number): void {
    if (!this.isHere(upload)) return;
    this.#totalBytes += bytes;
    for (const payer of upload.payers) {
      const sum = (this.#bytesByPayer.get(payer) ?? 0) + bytes;
      if (sum > 0) this.#bytesByPayer.set(payer, sum);
      else this.#bytesByPayer.delete(payer);
    }
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
