import { statfs } from 'node:fs/promises';
import type { AccountId } from '@capacloud/protocol/ids';
import type { Refusal } from '@capacloud/protocol/result';
import { apiLimits } from '@capacloud/protocol/routes';
import { formatSize } from '@capacloud/protocol/units';
import type { ArtifactIndex } from '../ports/artifact-index.ts';
import type { ArtifactUse } from '../ports/owned-artifacts.ts';
import type { BroughtOutputs } from './brought-outputs.ts';
import type { Staging } from './staging.ts';

export interface ArtifactLimits {
  /** Of one artifact. */
  readonly maxArtifactBytes: number;
  /** Of what one account refers to and uploads. */
  readonly accountBytes: number;
  /** Of everything. */
  readonly totalBytes: number;
}

/** Whose storage an upload counts against. */
export interface Payer {
  readonly payers: readonly AccountId[];
  readonly isNode: boolean;
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
  readonly index: Pick<ArtifactIndex, 'totalBytes'>;
  readonly staging: Staging;
  readonly brought: Pick<BroughtOutputs, 'bytesFor'>;
  readonly diskSpace: () => Promise<DiskSpace>;
}

/** How much room there is, of an account and in the whole store, counting what has arrived and what requests bring now. */
export class StorageSpace {
  readonly #parts: SpaceParts;

  constructor(parts: SpaceParts) {
    this.#parts = parts;
  }

  /** Below 0 where a limit was lowered. */
  async leftInStore(): Promise<number> {
    const { index, limits, staging } = this.#parts;
    const onDisk = await this.#leftOnDisk();
    const byLimit = limits.totalBytes - (await index.totalBytes()) - staging.reservedBytes();
    return Math.min(byLimit, onDisk - staging.unwrittenBytes());
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

  /**
   * Why an upload cannot begin. That a consumer's own file will not fit is said at once. Of a node the first chunk counts
   * alone: its word on a size holds up nobody.
   */
  async refusalToBegin(by: Payer, sizeBytes: number): Promise<Refusal | undefined> {
    const { maxArtifactBytes } = this.#parts.limits;
    if (sizeBytes > maxArtifactBytes)
      return {
        code: 'request.too_large',
        message: `An artifact has at most ${formatSize(maxArtifactBytes)}.`,
      };
    return await this.#refusal(by, by.isNode ? Math.min(sizeBytes, apiLimits.artifactChunkBytes) : sizeBytes);
  }

  /** Why a chunk cannot be taken, whose room was reserved already. */
  refusalOfReserved(by: Payer): Promise<Refusal | undefined> {
    return this.#refusal(by, 0);
  }

  async #refusal(by: Payer, bytes: number): Promise<Refusal | undefined> {
    const left = await this.leftInStore();
    const own = await this.#accountRefusal(by, bytes);
    if (own !== undefined) return own;
    // No figures: the difference that an upload makes would tell a stranger whether its bytes were here before.
    if (bytes <= left) return undefined;
    return {
      code: 'artifact.store_full',
      message: 'The artifact store of the coordinator has no room for it.',
    };
  }

  /** Of an agent that does not say for which consumer it uploads, it is enough that one of them has room. */
  async #accountRefusal({ isNode, payers }: Payer, bytes: number): Promise<Refusal | undefined> {
    const { accountBytes } = this.#parts.limits;
    let used = 0;
    for (const account of payers) {
      used = await this.#usedBy(account);
      if (used + bytes <= accountBytes) return undefined;
    }
    // What a consumer stores is none of a stranger's business.
    if (isNode)
      return { code: 'artifact.consumer_full', message: 'The storage of the consumer has no room for it.' };
    const message =
      bytes === 0
        ? `With this chunk, more than the ${formatSize(accountBytes)} of this account would be in use.`
        : `${formatSize(used)} of the ${formatSize(accountBytes)} of this account are in use, and ${formatSize(bytes)} are needed.`;
    return { code: 'artifact.quota_exceeded', message };
  }

  async #usedBy(account: AccountId): Promise<number> {
    const { brought, index, staging } = this.#parts;
    return (await index.totalBytes(account)) + staging.reservedBytes(account) + brought.bytesFor(account);
  }
}
