import { Readable } from 'node:stream';
import type { Sha256Hex } from '@capacloud/protocol/ids';
import { accept, type Refusal, type Result, refuse } from '@capacloud/protocol/result';
import { apiLimits } from '@capacloud/protocol/routes/routes';
import { formatSize } from '@capacloud/protocol/units';
import type { ArtifactIndex } from '../ports/artifact-index.ts';
import type { ArtifactParty, ArtifactProgress } from '../ports/artifact-store.ts';
import type { BroughtOutputs } from './brought-outputs.ts';
import { progressOf, type StagedUpload, type Staging } from './staging.ts';
import type { StorageSpace } from './storage-space.ts';
import { storeFailure } from './store-failure.ts';
import { Turns } from './turns.ts';
import type { UploadRights, UploadTarget } from './upload-rights.ts';

export interface DeskParts {
  readonly index: Pick<ArtifactIndex, 'put'>;
  readonly rights: UploadRights;
  readonly brought: BroughtOutputs;
  readonly space: StorageSpace;
  readonly staging: Staging;
  readonly now: () => number;
  /** Checks all bytes and moves them to their place; gives their hash where it is another one. */
  readonly complete: (upload: StagedUpload, refer: () => Promise<void>) => Promise<string | undefined>;
  /** What an account has already. */
  readonly accountProgress: (by: ArtifactParty, sha256: Sha256Hex) => Promise<ArtifactProgress | undefined>;
}

interface Appending {
  readonly body: Readable;
  readonly done: Promise<unknown>;
}

/** A silent request is set aside for a newer one of the same upload: its sender is probably gone. */
const stalledAfterMs = 5_000;
const emptySha256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
const isBusy = 'Another request is uploading this artifact now.';

/** Takes in uploads: who may bring what and how much, chunk by chunk, until all bytes are here. */
export class UploadDesk {
  readonly #parts: DeskParts;
  readonly #appending = new Map<string, Appending>();
  readonly #asking = new Turns();

  constructor(parts: DeskParts) {
    this.#parts = parts;
  }

  isAppending(upload: StagedUpload): boolean {
    return this.#appending.has(keyOf(upload.owner, upload.sha256));
  }

  async announce(by: ArtifactParty, sha256: Sha256Hex, sizeBytes: number): Promise<Result<ArtifactProgress>> {
    try {
      const target = await this.#parts.rights.targetOf(by);
      return target.ok ? await this.#announce(by, target.value, sha256, sizeBytes) : target;
    } catch (error) {
      return refusedByDisk(error);
    }
  }

  async append(
    by: ArtifactParty,
    sha256: Sha256Hex,
    offset: number,
    body: Readable,
  ): Promise<Result<ArtifactProgress>> {
    const found = await this.#parts.rights.targetOf(by);
    if (!found.ok) return found;
    const target = found.value;
    const { staging } = this.#parts;
    const key = keyOf(target.owner, sha256);
    const before = staging.get(target.owner, sha256);
    const other = this.#appending.get(key);
    if (other !== undefined) {
      if (before !== undefined && this.#parts.now() - before.touchedAt < stalledAfterMs)
        return refuse('artifact.offset_mismatch', isBusy);
      other.body.destroy();
      await other.done;
    }
    const upload = staging.get(target.owner, sha256);
    if (upload === undefined) return this.#appendToNothing(by, target, sha256);
    if (this.#appending.has(key)) return refuse('artifact.offset_mismatch', isBusy);
    if (upload.offset !== offset)
      return refuse('artifact.offset_mismatch', `The upload stands at byte ${upload.offset}, not ${offset}.`);
    const work = this.#appendTo(by, target, upload, body);
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

  async #announce(
    by: ArtifactParty,
    target: UploadTarget,
    sha256: Sha256Hex,
    sizeBytes: number,
  ): Promise<Result<ArtifactProgress>> {
    const { space, staging } = this.#parts;
    const known = await this.#known(by, target, sha256);
    if (known !== undefined) {
      if (known.sizeBytes !== sizeBytes)
        return refuse(
          'request.conflict',
          `This artifact was announced with ${known.sizeBytes} bytes, not ${sizeBytes}.`,
        );
      const isStranded = known.offset === sizeBytes && !known.complete;
      if (isStranded && !this.#appending.has(keyOf(target.owner, sha256)))
        return this.#completeStranded(by, sha256, sizeBytes);
      return accept(known);
    }
    if (sizeBytes === 0 && sha256 !== emptySha256)
      return refuse('request.conflict', 'An artifact of 0 bytes has another hash.');
    const refusal =
      this.#allowanceRefusal(target, sizeBytes) ?? (await space.refusalToBegin(payerOf(target), sizeBytes));
    if (refusal !== undefined) return { ok: false, refusal };
    const upload = staging.get(target.owner, sha256) ?? (await this.#begin(target, sha256, sizeBytes));
    if ('code' in upload) return { ok: false, refusal: upload };
    return sizeBytes === 0 ? this.#complete(by, upload) : accept(progressOf(upload));
  }

  /** Only what the party itself has sent, or has already: whoever knows a hash is told nothing, and given nothing. */
  async #known(
    by: ArtifactParty,
    { attempts, owner }: UploadTarget,
    sha256: Sha256Hex,
  ): Promise<ArtifactProgress | undefined> {
    const { accountProgress, brought, now, staging } = this.#parts;
    const upload = staging.get(owner, sha256);
    if (upload !== undefined) {
      // Whoever asks goes on: an agent whose outputs wait for room asks again and again.
      upload.touchedAt = now();
      return progressOf(upload);
    }
    if (by.kind === 'account') return await accountProgress(by, sha256);
    const sizeBytes = brought.sizeOf(attempts, sha256);
    return sizeBytes === undefined ? undefined : { sha256, sizeBytes, offset: sizeBytes, complete: true };
  }

  /** What the job declares bounds what is uploaded for it, whatever a node says. */
  #allowanceRefusal({ allowance, attempts }: UploadTarget, sizeBytes: number): Refusal | undefined {
    if (allowance === undefined) return undefined;
    const { bytes, files } = this.#parts.brought.usedBy(attempts);
    if (files >= allowance.files)
      return {
        code: 'request.too_large',
        message: `The job declares no more than ${allowance.files} files.`,
      };
    if (bytes + sizeBytes <= allowance.bytes) return undefined;
    return {
      code: 'request.too_large',
      message: `The outputs that the job declares have at most ${formatSize(allowance.bytes)} in all.`,
    };
  }

  /**
   * Counts and begins without a wait between, so that no burst passes the bound. An upload of an attempt that rests makes
   * place for its next one; a consumer's own is left alone.
   */
  async #begin(target: UploadTarget, sha256: Sha256Hex, sizeBytes: number): Promise<StagedUpload | Refusal> {
    const { staging } = this.#parts;
    const { allowance, maxOpen, owner, payers } = target;
    const open = staging.of(owner);
    if (open.length < maxOpen) return await staging.begin(owner, payers, sha256, sizeBytes);
    const resting = open.filter((upload) => !this.isAppending(upload));
    const [oldest] = resting.sort((a, b) => a.touchedAt - b.touchedAt);
    if (allowance === undefined || oldest === undefined)
      return {
        code: 'request.rate_limited',
        message: `${open.length} uploads are under way: finish or delete one, or wait until they have rested for ten minutes.`,
      };
    const discarding = staging.discard(oldest);
    const upload = await staging.begin(owner, payers, sha256, sizeBytes);
    await discarding;
    return upload;
  }

  /** It may have rested for too long. Told so, its sender announces it and begins anew. */
  async #appendToNothing(
    by: ArtifactParty,
    target: UploadTarget,
    sha256: Sha256Hex,
  ): Promise<Result<ArtifactProgress>> {
    const known = await this.#known(by, target, sha256);
    return refuse(
      'artifact.offset_mismatch',
      known?.complete === true
        ? 'The artifact is complete.'
        : 'No upload of this artifact is under way: announce it, and begin anew.',
    );
  }

  async #appendTo(
    by: ArtifactParty,
    target: UploadTarget,
    upload: StagedUpload,
    body: Readable,
  ): Promise<Result<ArtifactProgress>> {
    const { staging } = this.#parts;
    try {
      const refusal = await this.#reserve(target, upload);
      if (refusal !== undefined) return { ok: false, refusal };
      const fits = await staging.append(upload, body);
      if (!fits)
        return refuse(
          'request.too_large',
          `The upload was announced with ${upload.sizeBytes} bytes; the chunk goes beyond them.`,
        );
      if (!staging.isHere(upload))
        return refuse('artifact.offset_mismatch', 'The upload was given up: announce it, and begin anew.');
      if (upload.offset < upload.sizeBytes) return accept(progressOf(upload));
      return await this.#complete(by, upload);
    } catch (error) {
      return refusedByDisk(error);
    } finally {
      staging.reserve(upload, 0);
    }
  }

  /** Room for what the request may bring. One request after the other asks: of two that ask at once, one gets it. */
  #reserve(target: UploadTarget, upload: StagedUpload): Promise<Refusal | undefined> {
    return this.#asking.take('room', () => this.#reserveNow(target, upload));
  }

  async #reserveNow(target: UploadTarget, upload: StagedUpload): Promise<Refusal | undefined> {
    const { brought, space, staging } = this.#parts;
    const window = Math.min(apiLimits.artifactChunkBytes, upload.sizeBytes - upload.offset);
    if (window === 0) return undefined;
    staging.reserve(upload, window);
    const { allowance, attempts, owner } = target;
    if (allowance !== undefined) {
      const staged = staging
        .of(owner)
        .reduce((sum, { offset, windowBytes }) => sum + offset + windowBytes, 0);
      if (brought.usedBy(attempts).bytes + staged > allowance.bytes)
        return {
          code: 'request.too_large',
          message: `The outputs that the job declares have at most ${formatSize(allowance.bytes)} in all.`,
        };
    }
    const refusal = await space.refusalOfReserved(payerOf(target));
    if (refusal !== undefined) staging.reserve(upload, 0);
    return refusal;
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
    // The node may have lost the attempt since the chunk began.
    const target = await this.#parts.rights.targetOf(by);
    if (!target.ok) {
      await this.#parts.staging.discard(upload);
      return target;
    }
    const found = await this.#parts.complete(upload, () => this.#refer(by, target.value, upload));
    if (found !== undefined) return refuse('artifact.hash_mismatch', `The bytes have the SHA-256 ${found}.`);
    return accept({ sha256, sizeBytes, offset: sizeBytes, complete: true });
  }

  async #refer(by: ArtifactParty, target: UploadTarget, { sha256, sizeBytes }: StagedUpload): Promise<void> {
    const { brought, index, now } = this.#parts;
    const at = now();
    if (by.kind === 'account') await index.put({ sha256, account: by.account }, sizeBytes, at);
    else await brought.note(target.attempts.map((attempt) => ({ ...attempt, sha256, sizeBytes, at })));
  }
}

/** Throws what is neither the disk's fault nor the sender's. */
function refusedByDisk(error: unknown): Result<never> {
  const refusal = storeFailure(error);
  if (refusal === undefined) throw error;
  return { ok: false, refusal };
}

function payerOf({ allowance, payers }: UploadTarget) {
  return { payers, isNode: allowance !== undefined };
}

function keyOf(owner: string, sha256: Sha256Hex): string {
  return `${owner}/${sha256}`;
}
