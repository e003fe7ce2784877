import type { AccountId, JobId } from '@capacloud/protocol/ids';
import { isSha256 } from '@capacloud/protocol/ids';
import { accept, type Refusal, type Result, refuse } from '@capacloud/protocol/result';
import type { ArtifactIndex } from '../ports/artifact-index.ts';
import type { FreedSpace, OwnedArtifactPage, OwnedArtifacts, StorageUse } from '../ports/owned-artifacts.ts';
import type { PrivateRows } from '../ports/private-rows.ts';
import type { PageRequest } from '../ports/read-store.ts';
import type { TaskLogs } from '../ports/task-logs.ts';
import type { ArtifactAccess } from './artifact-access.ts';
import type { StorageSpace } from './storage-space.ts';

const maxListed = 500;

export interface OwnedParts {
  readonly index: ArtifactIndex;
  readonly access: ArtifactAccess;
  readonly space: StorageSpace;
  readonly rows: Pick<PrivateRows, 'forgetJob'>;
  readonly logs: Pick<TaskLogs, 'removeJob'>;
}

/** What an account has in the store, and how it gets rid of it. */
export class AccountArtifacts implements OwnedArtifacts {
  readonly #index: ArtifactIndex;
  readonly #access: ArtifactAccess;
  readonly #space: StorageSpace;
  readonly #rows: Pick<PrivateRows, 'forgetJob'>;
  readonly #logs: Pick<TaskLogs, 'removeJob'>;

  constructor({ access, index, logs, rows, space }: OwnedParts) {
    this.#index = index;
    this.#access = access;
    this.#space = space;
    this.#rows = rows;
    this.#logs = logs;
  }

  refusalOfJob(account: AccountId, bytes: number): Promise<Refusal | undefined> {
    return this.#space.refusalOfJob(account, bytes);
  }

  async use(account: AccountId): Promise<StorageUse> {
    await this.#access.claimed();
    return this.#space.useOf(account);
  }

  async list(account: AccountId, page: PageRequest): Promise<OwnedArtifactPage | undefined> {
    const { cursor } = page;
    if (cursor !== undefined && !isSha256(cursor)) return undefined;
    await this.#access.claimed();
    const limit = Math.min(maxListed, page.limit);
    const rows = await this.#index.listOwned(account, cursor, limit + 1);
    const items = rows.slice(0, limit);
    const cursors = items.map(({ sha256 }) => sha256);
    const last = cursors.at(-1);
    return rows.length > limit && last !== undefined ? { items, cursors, next: last } : { items, cursors };
  }

  async releaseJob(account: AccountId, job: JobId): Promise<Result<FreedSpace>> {
    if (await this.#access.isLive(job))
      return refuse('request.conflict', `${job} has not ended: its tasks still use what it stored.`, {
        hint: `Wait for its end, or cancel it: capacloud cancel ${job}.`,
      });
    await this.#access.claimed();
    const before = await this.#index.totalBytes(account);
    const found = await this.#index.listOfJob(account, job);
    for (const sha256 of found) await this.#index.removeRef({ sha256, account, job });
    const left = await this.#index.totalBytes(account);
    // Ended with the job, or left where it failed: nothing of it is asked for any more.
    const rowBytes = await this.#rows.forgetJob(job);
    const logBytes = await this.#logs.removeJob(job);
    return accept({
      artifacts: found.length,
      freedBytes: Math.max(0, before - left) + rowBytes + logBytes,
    });
  }
}
