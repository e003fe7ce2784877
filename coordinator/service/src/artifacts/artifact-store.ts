import { createReadStream } from 'node:fs';
import { mkdir, stat, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import type { AccountId, Sha256Hex } from '@capacloud/protocol/ids';
import { accept, type Result, refuse } from '@capacloud/protocol/result';
import type { ArtifactIndex } from '../ports/artifact-index.ts';
import type {
  ArtifactContent,
  ArtifactParty,
  ArtifactProgress,
  ArtifactStore,
} from '../ports/artifact-store.ts';
import type { ArtifactAccess } from './artifact-access.ts';
import { type Collected, collectStale } from './artifact-collection.ts';
import { BroughtOutputs } from './brought-outputs.ts';
import { progressOf, type StagedUpload, type Staging } from './staging.ts';
import type { StorageSpace } from './storage-space.ts';
import { storeFailure } from './store-failure.ts';

export interface StoreParts {
  readonly folder: string;
  readonly index: ArtifactIndex;
  readonly access: ArtifactAccess;
  readonly space: StorageSpace;
  readonly staging: Staging;
  readonly now: () => number;
  /** How long what a node brought is kept before a receipt names it. */
  readonly broughtForMs: () => number;
}

interface Appending {
  readonly body: Readable;
  readonly done: Promise<unknown>;
}

/** A silent request is set aside for a newer one of the same upload: its sender is probably gone. */
const stalledAfterMs = 5_000;
/** What one request brings at most. */
const chunkBytes = 4 * 1024 * 1024;
const emptySha256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

/**
 * Content-addressed files on the local disk: <folder>/content/ab/cd/<sha256>. A file is there only whole and
 * checked; what is on its way is in the staging folder.
 */
export class DiskArtifactStore implements ArtifactStore {
  readonly #folder: string;
  readonly #index: ArtifactIndex;
  readonly #access: ArtifactAccess;
  readonly #space: StorageSpace;
  readonly #now: () => number;
  readonly #staging: Staging;
  readonly #broughtForMs: () => number;
  readonly #brought: BroughtOutputs;
  readonly #appending = new Map<string, Appending>();

  constructor({ access, broughtForMs, folder, index, now, space, staging }: StoreParts) {
    this.#broughtForMs = broughtForMs;
    this.#folder = folder;
    this.#index = index;
    this.#access = access;
    this.#space = space;
    this.#now = now;
    this.#staging = staging;
    this.#brought = new BroughtOutputs(join(folder, 'brought'));
  }

  /** Makes the folders and finds partial uploads of an earlier run. */
  async restore(): Promise<void> {
    await mkdir(join(this.#folder, 'content'), { recursive: true, mode: 0o700 });
    await this.#staging.restore();
  }

  async announce(by: ArtifactParty, sha256: Sha256Hex, sizeBytes: number): Promise<Result<ArtifactProgress>> {
    try {
      const announced = await this.#announce(by, sha256, sizeBytes);
      if (announced.ok) this.#space.note(by, sha256, sizeBytes);
      return announced;
    } catch (error) {
      return refusedByDisk(error);
    }
  }

  async #announce(
    by: ArtifactParty,
    sha256: Sha256Hex,
    sizeBytes: number,
  ): Promise<Result<ArtifactProgress>> {
    const known = await this.status(by, sha256);
    if (known !== undefined) {
      if (known.sizeBytes !== sizeBytes)
        return refuse(
          'request.conflict',
          `This artifact was announced with ${known.sizeBytes} bytes, not ${sizeBytes}.`,
        );
      if (known.offset === sizeBytes && !known.complete && !this.#appending.has(`${ownerOf(by)}/${sha256}`))
        return this.#completeStranded(by, sha256, sizeBytes);
      // Brought before, or an input of the task that is an output as well: the receipt that names it is on its way.
      if (by.kind === 'node' && known.complete) await this.#refer(by, sha256, sizeBytes);
      return accept(known);
    }
    const refusal = await this.#space.refusal(by, sha256, sizeBytes);
    if (refusal !== undefined) return { ok: false, refusal };
    if (sizeBytes === 0 && sha256 !== emptySha256)
      return refuse('request.conflict', 'An artifact of 0 bytes has another hash.');
    const owner = ownerOf(by);
    const upload = this.#staging.get(owner, sha256) ?? (await this.#staging.begin(owner, sha256, sizeBytes));
    return sizeBytes === 0 ? this.#complete(by, upload) : accept(progressOf(upload));
  }

  async append(
    by: ArtifactParty,
    sha256: Sha256Hex,
    offset: number,
    body: Readable,
  ): Promise<Result<ArtifactProgress>> {
    const key = `${ownerOf(by)}/${sha256}`;
    const before = this.#staging.get(ownerOf(by), sha256);
    const other = this.#appending.get(key);
    if (other !== undefined) {
      if (before !== undefined && this.#now() - before.touchedAt < stalledAfterMs)
        return refuse('artifact.offset_mismatch', 'Another request is uploading this artifact now.');
      other.body.destroy();
      await other.done;
    }
    const upload = this.#staging.get(ownerOf(by), sha256);
    if (upload === undefined) return this.#appendToNothing(by, sha256);
    if (this.#appending.has(key))
      return refuse('artifact.offset_mismatch', 'Another request is uploading this artifact now.');
    if (upload.offset !== offset)
      return refuse('artifact.offset_mismatch', `The upload stands at byte ${upload.offset}, not ${offset}.`);
    const work = this.#appendTo(by, upload, body);
    const done = work.then(
      () => undefined,
      () => undefined,
    );
    this.#appending.set(key, { body, done });
    try {
      return await work;
    } finally {
      this.#appending.delete(key);
    }
  }

  async status(by: ArtifactParty, sha256: Sha256Hex): Promise<ArtifactProgress | undefined> {
    const upload = this.#staging.get(ownerOf(by), sha256);
    if (upload !== undefined) return progressOf(upload);
    const row = await this.#index.get(sha256);
    if (row === undefined || !(await this.#access.mayRead(by, sha256))) return undefined;
    if (!row.complete && !(await this.#completeMoved(sha256))) return undefined;
    return { sha256, sizeBytes: row.sizeBytes, offset: row.sizeBytes, complete: true };
  }

  async open(by: ArtifactParty, sha256: Sha256Hex): Promise<Result<ArtifactContent>> {
    const status = await this.status(by, sha256);
    if (status === undefined) return refuse('request.not_found', 'There is no such artifact.');
    if (!status.complete)
      return refuse(
        'artifact.incomplete',
        `${status.offset} of ${status.sizeBytes} bytes have been uploaded.`,
      );
    const path = this.#pathOf(sha256);
    return accept({
      sizeBytes: status.sizeBytes,
      read: (start, end) => createReadStream(path, { start, end }),
    });
  }

  claimed(): Promise<void> {
    return this.#access.claimed();
  }

  async release(by: ArtifactParty, sha256: Sha256Hex): Promise<Result<undefined>> {
    if (by.kind !== 'account') return refuse('auth.forbidden', 'Only an account releases its artifacts.');
    const upload = this.#staging.get(by.account, sha256);
    if (upload !== undefined) await this.#staging.discard(upload);
    const refs = await this.#index.listRefs(sha256, by.account);
    if (upload === undefined && refs.length === 0)
      return refuse('request.not_found', 'There is no such artifact.');
    const used = refs.find((ref) => ref.job !== undefined && this.#access.isLive(ref.job));
    if (used !== undefined) return refuse('request.conflict', `${used.job} still uses this artifact.`);
    for (const ref of refs) await this.#index.removeRef(ref);
    return accept(undefined);
  }

  /** Drops uploads that nobody goes on with and content that nobody refers to. */
  collect(signal: AbortSignal): Promise<Collected> {
    return collectStale(
      {
        brought: this.#brought,
        index: this.#index,
        staging: this.#staging,
        isAppending: (upload) => this.#appending.has(`${upload.owner}/${upload.sha256}`),
        pathOf: (sha256) => this.#pathOf(sha256),
      },
      { now: this.#now(), broughtForMs: this.#broughtForMs() },
      signal,
    );
  }

  #pathOf(sha256: Sha256Hex): string {
    return join(this.#folder, 'content', sha256.slice(0, 2), sha256.slice(2, 4), sha256);
  }

  async #appendToNothing(by: ArtifactParty, sha256: Sha256Hex): Promise<Result<ArtifactProgress>> {
    const status = await this.status(by, sha256);
    return status === undefined
      ? refuse('request.not_found', 'No upload of this artifact was announced.')
      : refuse('artifact.offset_mismatch', 'The artifact is complete.');
  }

  async #appendTo(
    by: ArtifactParty,
    upload: StagedUpload,
    body: Readable,
  ): Promise<Result<ArtifactProgress>> {
    try {
      // What was announced has its room by the limits, but others may have filled the disk meanwhile.
      if (await this.#space.isDiskFull(Math.min(chunkBytes, upload.sizeBytes - upload.offset)))
        return refuse('artifact.store_full', 'The disk of the coordinator is full.');
      const fits = await this.#staging.append(upload, body);
      if (!fits)
        return refuse(
          'request.too_large',
          `The upload was announced with ${upload.sizeBytes} bytes; the chunk goes beyond them.`,
        );
      if (upload.offset < upload.sizeBytes) return accept(progressOf(upload));
      return await this.#complete(by, upload);
    } catch (error) {
      return refusedByDisk(error);
    }
  }

  /** The process ended between the last byte of an upload and its check, and no chunk is left that would bring it about. */
  async #completeStranded(
    by: ArtifactParty,
    sha256: Sha256Hex,
    sizeBytes: number,
  ): Promise<Result<ArtifactProgress>> {
    const completed = await this.append(by, sha256, sizeBytes, Readable.from([]));
    if (completed.ok || completed.refusal.code !== 'artifact.hash_mismatch') return completed;
    // They were other bytes, and are gone: the upload starts over.
    return this.announce(by, sha256, sizeBytes);
  }

  async #complete(by: ArtifactParty, upload: StagedUpload): Promise<Result<ArtifactProgress>> {
    const { sha256, sizeBytes } = upload;
    const found = await this.#staging.finish(upload);
    if (found !== sha256) {
      await this.#staging.discard(upload);
      return refuse('artifact.hash_mismatch', `The bytes have the SHA-256 ${found}.`);
    }
    const path = this.#pathOf(sha256);
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    // The reference first: should the process end here, it is how the owner finds the file, and the collection too.
    await this.#refer(by, sha256, sizeBytes);
    await this.#staging.moveTo(upload, path);
    const moment = new Date(this.#now());
    await utimes(path, moment, moment);
    await this.#index.markComplete(sha256);
    return accept({ sha256, sizeBytes, offset: sizeBytes, complete: true });
  }

  /** The process ended between the move of a checked file and the note of it. False when there is no such file. */
  async #completeMoved(sha256: Sha256Hex): Promise<boolean> {
    const file = await stat(this.#pathOf(sha256)).catch(() => undefined);
    if (file !== undefined) await this.#index.markComplete(sha256);
    return file !== undefined;
  }

  /** What a node brings belongs to the consumer of its task; its provider refers to it until that is settled. */
  async #refer(by: ArtifactParty, sha256: Sha256Hex, sizeBytes: number): Promise<void> {
    const account = accountOf(by);
    const brought = { provider: account, sha256 };
    if (by.kind === 'account') await this.#brought.forget(brought);
    else if ((await this.#brought.has(brought)) || !(await this.#ownsPlainly(account, sha256)))
      await this.#brought.note(brought, this.#now());
    await this.#index.put({ sha256, account }, sizeBytes, this.#now());
  }

  async #ownsPlainly(account: AccountId, sha256: Sha256Hex): Promise<boolean> {
    return (await this.#index.listRefs(sha256, account)).some((ref) => ref.job === undefined);
  }
}

/** Throws what is neither the disk's fault nor the sender's. */
function refusedByDisk(error: unknown): Result<never> {
  const refusal = storeFailure(error);
  if (refusal === undefined) throw error;
  return { ok: false, refusal };
}

function accountOf(by: ArtifactParty): AccountId {
  return by.kind === 'account' ? by.account : by.provider;
}

function ownerOf(by: ArtifactParty): string {
  return by.kind === 'account' ? by.account : by.node;
}
