import { statfs } from 'node:fs/promises';
import type { AccountId } from '@capacloud/protocol/ids';
import type { Refusal } from '@capacloud/protocol/result';
import { apiLimits } from '@capacloud/protocol/routes/routes';
import { formatSize } from '@capacloud/protocol/units';
import { diskMarksOf } from '../disk-marks.ts';
import type { ArtifactIndex } from '../ports/artifact-index.ts';
import type { StorageUse } from '../ports/owned-artifacts.ts';
import { type AccountQuota, sumOf } from './account-quota.ts';
import type { BroughtOutputs } from './brought-outputs.ts';
import type { Staging } from './staging.ts';

export interface ArtifactLimits {
  /** Of one artifact. */
  readonly maxArtifactBytes: number;
  /** Of all that one account stores. */
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
/** Where less than this part of the store is left, or a gibibyte, nothing of anybody is sure to be stored. */
const fullPart = 64;

export async function diskSpaceOf(folder: string): Promise<DiskSpace> {
  const { bavail, blocks, bsize } = await statfs(folder);
  return { freeBytes: bavail * bsize, sizeBytes: blocks * bsize };
}

export interface SpaceParts {
  readonly limits: ArtifactLimits;
  readonly quota: AccountQuota;
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
    // The log may lie on it, and must be able to grow.
    return freeBytes - diskMarksOf(sizeBytes).fileBytes;
  }

  async leftOfAccount(account: AccountId): Promise<number> {
    return this.#parts.quota.left(await this.#usedBy(account));
  }

  async useOf(account: AccountId): Promise<StorageUse> {
    const { quota } = this.#parts;
    const logs = quota.logsOf(account);
    const rows = await quota.rowsOf(account);
    const usedBytes = await this.#usedBy(account);
    return { usedBytes, quotaBytes: quota.bytes, artifacts: usedBytes - logs - sumOf(rows), logs, rows };
  }

  /** All that an account stores but its task logs. */
  async usedBesideLogs(account: AccountId): Promise<number> {
    return (await this.#usedBy(account)) - this.#parts.quota.logsOf(account);
  }

  /** What nodes bring now is left out: to add it up takes a look at each attempt, and a job should not wait for that. */
  async refusalOfJob(account: AccountId, bytes: number): Promise<Refusal | undefined> {
    const { index, quota, staging } = this.#parts;
    const artifacts = (await index.totalBytes(account)) + staging.reservedBytes(account);
    return quota.refusalOfJob(artifacts + (await quota.besideArtifacts(account)), bytes);
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
    let refusal: Refusal | undefined;
    for (const account of payers) {
      refusal = this.#parts.quota.refusalOfFile(await this.#usedBy(account), bytes);
      if (refusal === undefined) return undefined;
    }
    // What a consumer stores is none of a stranger's business.
    if (isNode)
      return { code: 'artifact.consumer_full', message: 'The storage of the consumer has no room for it.' };
    return refusal;
  }

  async #usedBy(account: AccountId): Promise<number> {
    const { brought, index, quota, staging } = this.#parts;
    return (
      (await index.totalBytes(account)) +
      staging.reservedBytes(account) +
      (await brought.bytesFor(account)) +
      (await quota.besideArtifacts(account))
    );
  }
}
