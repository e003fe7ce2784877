import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type AccountId, isJobId, type JobId, jobIdOf, type TaskId } from '@capacloud/protocol/ids';
import type { DiskRoom } from '../ports/disk-room.ts';

/** An attempt's log may take this part of the room that is left, so that one machine does not use up that of all others. */
const attemptPart = 16;
/** An attempt's log may take this much as long as there is room at all. */
const leastAttemptBytes = 64 * 1024;
/** What a file costs beside its bytes: a short one takes a block of the disk all the same. */
export const logFileBytes = 4096;
/** The file of a log's end begins with the gap before it. */
export const gapBytes = 16;
/** Jobs whose size is kept in memory; that of another is looked up in its folder. */
const maxJobs = 20_000;

export interface LogBookParts {
  readonly folder: string;
  readonly jobBytes: number;
  readonly disk: DiskRoom;
  /** Whose job it is; undefined where there is none. */
  readonly accountOf: (job: JobId) => Promise<AccountId | undefined>;
  /** What the account stores besides task logs. */
  readonly usedBeside: (account: AccountId) => Promise<number>;
  /** What an account may store on top of so many bytes. */
  readonly left: (usedBytes: number) => number;
}

/**
 * The bytes of task logs, by account and by job. They are counted from the files at a start, and from then on as they are
 * written and removed.
 */
export class LogBook {
  readonly #parts: LogBookParts;
  readonly #byAccount = new Map<AccountId, number>();
  readonly #byJob = new Map<JobId, number>();
  readonly #loading = new Map<JobId, Promise<void>>();
  /** Jobs that are in the sums of their accounts, while not all are. */
  #counted: Set<JobId> | undefined = new Set();

  constructor(parts: LogBookParts) {
    this.#parts = parts;
  }

  /** Counts what an earlier run has left. */
  async count(signal: AbortSignal): Promise<void> {
    for (const job of (await readdir(this.#parts.folder).catch(() => undefined)) ?? []) {
      if (signal.aborted) return;
      if (isJobId(job)) await this.#load(job, await this.#parts.accountOf(job));
    }
    this.#counted = undefined;
  }

  ofAccount(account: AccountId): number {
    return this.#byAccount.get(account) ?? 0;
  }

  /**
   * Takes room for the next bytes of an attempt's log that has kept so many before, and gives how many of them may be kept.
   * What comes before the end of a log gets the half of scarce room: the end is worth more than the middle.
   */
  async take(task: TaskId, { bytes, isEnd, isNew, kept, most }: LogDemand): Promise<number> {
    const job = jobIdOf(task);
    const account = await this.#parts.accountOf(job);
    // Logs come for jobs that there are; what belongs to nobody is bounded by its own size.
    if (account === undefined) return bytes;
    const beside = await this.#parts.usedBeside(account);
    await this.#load(job, account);
    // Nothing is awaited from here on: two attempts never take the same room.
    const file = isNew ? logFileBytes : 0;
    const room = Math.min(
      this.#parts.jobBytes - (this.#byJob.get(job) ?? 0),
      this.#parts.left(beside + this.ofAccount(account)),
      this.#parts.disk.fileBytes,
    );
    const left = room - file;
    const share = Math.max(leastAttemptBytes, Math.floor(left / attemptPart));
    const limit = share >= most ? most : isEnd ? share : Math.floor(share / 2);
    const taken = Math.max(0, Math.min(bytes, limit - kept, left));
    if (taken === 0) return 0;
    this.#add(job, account, file + taken);
    this.#parts.disk.take(file + taken);
    return taken;
  }

  get hasDisk(): boolean {
    return this.#parts.disk.fileBytes > 0;
  }

  /** So many bytes of the job are not kept, or not any more. */
  async giveBack(job: JobId, bytes: number): Promise<void> {
    const account = await this.#parts.accountOf(job);
    if (account === undefined) return;
    await this.#load(job, account);
    this.#add(job, account, -bytes);
  }

  /** Before the folder of the job is removed. */
  async forget(job: JobId): Promise<number> {
    const account = await this.#parts.accountOf(job);
    if (account === undefined) return 0;
    await this.#load(job, account);
    const bytes = this.#byJob.get(job) ?? 0;
    this.#byJob.delete(job);
    this.#addToAccount(account, -bytes);
    return bytes;
  }

  #add(job: JobId, account: AccountId, bytes: number): void {
    const sum = (this.#byJob.get(job) ?? 0) + bytes;
    // The order in the map is that of the last use.
    this.#byJob.delete(job);
    this.#byJob.set(job, Math.max(0, sum));
    this.#addToAccount(account, bytes);
  }

  #addToAccount(account: AccountId, bytes: number): void {
    const sum = this.ofAccount(account) + bytes;
    if (sum > 0) this.#byAccount.set(account, sum);
    else this.#byAccount.delete(account);
  }

  #load(job: JobId, account: AccountId | undefined): Promise<void> {
    if (account === undefined || this.#byJob.has(job)) return Promise.resolve();
    let loading = this.#loading.get(job);
    if (loading === undefined) {
      loading = this.#read(job, account).finally(() => this.#loading.delete(job));
      this.#loading.set(job, loading);
    }
    return loading;
  }

  async #read(job: JobId, account: AccountId): Promise<void> {
    const { bytes } = await folderSize(join(this.#parts.folder, job));
    this.#byJob.set(job, bytes);
    if (this.#counted !== undefined && !this.#counted.has(job)) {
      this.#counted.add(job);
      this.#addToAccount(account, bytes);
    } else if (this.#byJob.size > maxJobs) {
      const [oldest] = this.#byJob.keys();
      if (oldest !== undefined) this.#byJob.delete(oldest);
    }
  }
}

interface LogDemand {
  readonly bytes: number;
  readonly kept: number;
  /** That the log may have where there is room enough. */
  readonly most: number;
  readonly isEnd: boolean;
  /** There is no file of it yet. */
  readonly isNew: boolean;
}

/** The file of a log's end counts by its output alone: its log has the block of the beginning. */
export function sizeOnDisk(name: string, sizeBytes: number): number {
  return name.endsWith('.tail.log') ? Math.max(0, sizeBytes - gapBytes) : logFileBytes + sizeBytes;
}

/** Of the files right in it; 0 where there is no such folder. */
export async function folderSize(
  folder: string,
): Promise<{ readonly bytes: number; readonly newestMs: number }> {
  let bytes = 0;
  let newestMs = (await stat(folder).catch(() => undefined))?.mtimeMs ?? 0;
  for (const name of (await readdir(folder).catch(() => undefined)) ?? []) {
    const file = await stat(join(folder, name)).catch(() => undefined);
    if (file === undefined) continue;
    bytes += sizeOnDisk(name, file.size);
    newestMs = Math.max(newestMs, file.mtimeMs);
  }
  return { bytes, newestMs };
}
