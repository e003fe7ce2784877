import type { AccountId } from '@capacloud/protocol/ids';
import type { Refusal } from '@capacloud/protocol/result';
import { formatSize } from '@capacloud/protocol/units';
import type { DiskRoom } from '../ports/disk-room.ts';
import type { KeptBytes, ReadStore } from '../ports/read-store.ts';
import type { LogBook } from './log-book.ts';

/**
 * One account may have this many times what is left for all others: then no account fills a disk, however large its quota,
 * and where several try, each gets less.
 */
export const shareOfFree = 4;

export interface QuotaParts {
  readonly accountBytes: number;
  readonly disk: DiskRoom;
  readonly store: Pick<ReadStore, 'keptBytes'>;
}

/** How much an account may store in all: artifacts, task logs, specs of jobs, receipts and answers. */
export class AccountQuota {
  readonly #parts: QuotaParts;
  #logs: Pick<LogBook, 'ofAccount'> | undefined;

  constructor(parts: QuotaParts) {
    this.#parts = parts;
  }

  get bytes(): number {
    return this.#parts.accountBytes;
  }

  /** The logs count from then on. */
  countLogs(logs: Pick<LogBook, 'ofAccount'>): void {
    this.#logs = logs;
  }

  logsOf(account: AccountId): number {
    return this.#logs?.ofAccount(account) ?? 0;
  }

  rowsOf(account: AccountId): Promise<KeptBytes> {
    return this.#parts.store.keptBytes(account);
  }

  /** All that is no artifact. */
  async besideArtifacts(account: AccountId): Promise<number> {
    return this.logsOf(account) + sumOf(await this.rowsOf(account));
  }

  /** What an account may store on top of so many bytes: below 0 where it has too much already. */
  left(usedBytes: number): number {
    return Math.min(this.#parts.accountBytes - usedBytes, shareLeft(usedBytes, this.#parts.disk.fileBytes));
  }

  /** Why files of so many bytes are refused. */
  refusalOfFile(usedBytes: number, bytes: number): Refusal | undefined {
    const beyond = this.#beyondQuota(usedBytes, bytes);
    // What was begun has its room: it is the disk itself that may have become full meanwhile.
    if (beyond !== undefined || bytes === 0 || bytes <= shareLeft(usedBytes, this.#parts.disk.fileBytes))
      return beyond;
    return { code: 'artifact.store_full', message: shareMessage(usedBytes, bytes) };
  }

  /** Why a job whose rows take so many bytes is refused. What is not, is counted as taken. */
  refusalOfJob(usedBytes: number, bytes: number): Refusal | undefined {
    const { disk } = this.#parts;
    const beyond = this.#beyondQuota(usedBytes, bytes);
    if (beyond !== undefined) return beyond;
    if (disk.rowBytes < bytes)
      return {
        code: 'service.disk_low',
        message: 'The disk of the coordinator is low: it takes no new jobs for now.',
      };
    if (bytes > shareLeft(usedBytes, disk.rowBytes))
      return { code: 'service.disk_low', message: shareMessage(usedBytes, bytes) };
    disk.take(bytes);
    return undefined;
  }

  #beyondQuota(usedBytes: number, bytes: number): Refusal | undefined {
    const { accountBytes } = this.#parts;
    if (usedBytes + bytes <= accountBytes) return undefined;
    const message =
      bytes === 0
        ? `With this chunk, more than the ${formatSize(accountBytes)} of this account would be in use.`
        : `${formatSize(usedBytes)} of the ${formatSize(accountBytes)} of this account are in use, and ${formatSize(bytes)} are needed.`;
    return { code: 'artifact.quota_exceeded', message };
  }
}

/** Of n more bytes, so that used + n is at most the share of what is free after them. */
function shareLeft(usedBytes: number, room: number): number {
  return Math.floor((shareOfFree * room - usedBytes) / (shareOfFree + 1));
}

function shareMessage(usedBytes: number, bytes: number): string {
  return `This account has ${formatSize(usedBytes)} of a disk that is nearly full, and ${formatSize(bytes)} are needed: no account gets more than ${shareOfFree} times what is left.`;
}

export function sumOf({ answers, jobs, receipts }: KeptBytes): number {
  return answers + jobs + receipts;
}
