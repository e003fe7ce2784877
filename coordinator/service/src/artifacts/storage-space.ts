import { statfs } from 'node:fs/promises';
import type { AttemptRef } from '@capacloud/protocol/frames';
import type { AccountId, Sha256Hex } from '@capacloud/protocol/ids';
import type { Refusal } from '@capacloud/protocol/result';
import { formatSize } from '@capacloud/protocol/units';
import type { ArtifactIndex } from '../ports/artifact-index.ts';
import type { ArtifactParty } from '../ports/artifact-store.ts';
import type { ArtifactUse } from '../ports/owned-artifacts.ts';
import { PendingOutputs } from './pending-outputs.ts';
import type { Staging } from './staging.ts';

export interface ArtifactLimits {
  /** Of one artifact. */
  readonly maxArtifactBytes: number;
  /** Of what one account refers to and uploads. */
  readonly accountBytes: number;
  /** Of everything. */
  readonly totalBytes: number;
}

/** Of the file system under the artifacts. */
export interface DiskSpace {
  readonly freeBytes: number;
  readonly sizeBytes: number;
}

const gibibyte = 2 ** 30;
/** Of the disk, this part is left alone, a gibibyte at most: the log may lie on it, and must be able to grow. */
const keptPart = 20;
/** Where less than this part of the store is left, or a gibibyte, nothing of anybody is sure to be stored. */
const fullPart = 64;

export async function diskSpaceOf(folder: string): Promise<DiskSpace> {
  const { bavail, blocks, bsize } = await statfs(folder);
  return { freeBytes: bavail * bsize, sizeBytes: blocks * bsize };
}

export interface SpaceParts {
  readonly limits: ArtifactLimits;
  readonly index: ArtifactIndex;
  readonly staging: Staging;
  readonly diskSpace: () => Promise<DiskSpace>;
  /** Whose job the attempt on the node is; undefined where it has no such attempt. */
  readonly consumerOf: (by: ArtifactParty & { readonly kind: 'node' }) => AccountId | undefined;
  readonly isUnderWay: (ref: AttemptRef) => boolean;
}

/** How much room there is, of an account and in the whole store, counting what is announced and not here yet. */
export class StorageSpace {
  readonly #parts: SpaceParts;
  readonly #pending: PendingOutputs;

  constructor(parts: SpaceParts) {
    this.#parts = parts;
    this.#pending = new PendingOutputs(parts.isUnderWay);
  }

  /** Below 0 where a limit was lowered. */
  async leftInStore(): Promise<number> {
    const { index, limits, staging } = this.#parts;
    // The disk first: between the counts and what is begun on their word nobody else may take the room.
    const onDisk = await this.#leftOnDisk();
    const byLimit = limits.totalBytes - (await index.totalBytes()) - staging.reservedBytes();
    return Math.min(byLimit, onDisk - staging.unwrittenBytes());
  }

  /** Whether so many bytes of what was announced can be written now. */
  async isDiskFull(bytes: number): Promise<boolean> {
    return (await this.#leftOnDisk()) < bytes;
  }

  async #leftOnDisk(): Promise<number> {
    const { freeBytes, sizeBytes } = await this.#parts.diskSpace();
    return freeBytes - Math.min(gibibyte, Math.floor(sizeBytes / keptPart));
  }

  async leftOfAccount(account: AccountId): Promise<number> {
    const { limits } = this.#parts;
    return limits.accountBytes - (await this.#usedBy(account));
  }

  async useOf(account: AccountId): Promise<ArtifactUse> {
    return { usedBytes: await this.#usedBy(account), quotaBytes: this.#parts.limits.accountBytes };
  }

  async isFull(): Promise<boolean> {
    const bound = Math.min(gibibyte, this.#parts.limits.totalBytes / fullPart);
    return (await this.leftInStore()) < bound;
  }

  /** An upload of a node was taken. */
  note(by: ArtifactParty, sha256: Sha256Hex, sizeBytes: number): void {
    if (by.kind !== 'node' || by.attempt === undefined) return;
    const consumer = this.#parts.consumerOf(by);
    if (consumer !== undefined) this.#pending.add(consumer, by.attempt, sha256, sizeBytes);
  }

  /** Announced for the attempt so far. */
  pendingOf(account: AccountId, attempt: AttemptRef): number {
    return this.#pending.ofAttempt(account, attempt);
  }

  /** Why there is no room for so many bytes more; undefined where there is. */
  async refusal(by: ArtifactParty, sha256: Sha256Hex, sizeBytes: number): Promise<Refusal | undefined> {
    const { maxArtifactBytes } = this.#parts.limits;
    if (sizeBytes > maxArtifactBytes)
      return {
        code: 'request.too_large',
        message: `An artifact has at most ${formatSize(maxArtifactBytes)}.`,
      };
    const left = await this.leftInStore();
    const own = await this.#accountRefusal(by, sha256, sizeBytes);
    if (own !== undefined) return own;
    if (sizeBytes <= left) return undefined;
    return {
      code: 'artifact.store_full',
      message: `The artifact store of the coordinator has ${formatSize(Math.max(0, left))} left, and ${formatSize(sizeBytes)} are needed.`,
    };
  }

  /** What a node brings belongs to the consumer of its task; where none is named, the whole alone bounds it. */
  async #accountRefusal(
    by: ArtifactParty,
    sha256: Sha256Hex,
    sizeBytes: number,
  ): Promise<Refusal | undefined> {
    const account = by.kind === 'account' ? by.account : this.#parts.consumerOf(by);
    if (account === undefined) return undefined;
    const used = await this.#usedBy(account);
    const { accountBytes } = this.#parts.limits;
    if (used + sizeBytes <= accountBytes) return undefined;
    // Its own already: nothing comes on top.
    if (by.kind === 'node' && (await this.#parts.index.listRefs(sha256, account)).length > 0)
      return undefined;
    const message = `${formatSize(used)} of the ${formatSize(accountBytes)} of this account are in use, and ${formatSize(sizeBytes)} are needed.`;
    return { code: by.kind === 'node' ? 'artifact.consumer_full' : 'artifact.quota_exceeded', message };
  }

  async #usedBy(account: AccountId): Promise<number> {
    const { index, staging } = this.#parts;
    return (
      (await index.totalBytes(account)) + staging.reservedBytes(account) + this.#pending.ofAccount(account)
    );
  }
}
