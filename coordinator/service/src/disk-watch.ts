import { stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { FastifyBaseLogger } from 'fastify';
import { type DiskMarks, diskMarksOf, walBytesOf } from './disk-marks.ts';
import type { DiskLevel, DiskRoom } from './ports/disk-room.ts';

const lookEveryMs = 500;
/** Room that has come back counts once it is a quarter more than the mark, so that the refusals do not flicker. */
const hysteresis = 1.25;
/** Below this part of the inodes, the disk counts as low. File systems without a fixed number of them say 0. */
const inodePart = 32;

interface Space {
  readonly freeBytes: number;
  readonly sizeBytes: number;
  readonly freeInodes: number;
  readonly inodes: number;
}

export interface DiskWatchParts {
  readonly dataDir: string;
  /** Bytes within the database that are free for new rows: the file does not shrink where rows are removed. */
  readonly reusableBytes: () => number;
  readonly logger: Pick<FastifyBaseLogger, 'info' | 'error'>;
  /** Of the file system of the data folder. */
  readonly space?: () => Promise<Space>;
  /** The disk has become low: what can be given back should be. */
  readonly onLow: () => void;
}

/** Looks at the disk of the data folder again and again, and counts what is written in between. */
export class DiskWatch implements DiskRoom {
  readonly #parts: DiskWatchParts;
  readonly #space: () => Promise<Space>;
  #marks: DiskMarks = diskMarksOf(0);
  #free = Number.MAX_SAFE_INTEGER;
  #reusable = 0;
  #taken = 0;
  #hasInodes = true;
  #level: DiskLevel = 'ample';
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;

  constructor(parts: DiskWatchParts) {
    this.#parts = parts;
    this.#space = parts.space ?? (() => spaceOf(parts.dataDir));
  }

  /** Looks for the first time, and from then on by itself. */
  async start(): Promise<void> {
    await this.look();
    this.#timer = setInterval(() => void this.look(), lookEveryMs);
    this.#timer.unref();
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#looking;
  }

  get level(): DiskLevel {
    return this.#level;
  }

  get fileBytes(): number {
    if (this.#level !== 'ample' || !this.#hasInodes) return 0;
    return this.#free - this.#taken - this.#marks.fileBytes;
  }

  get rowBytes(): number {
    if (this.#level !== 'ample') return 0;
    return this.#free + this.#reusable - this.#taken - this.#marks.lowBytes;
  }

  take(bytes: number): void {
    this.#taken += bytes;
  }

  look(): Promise<void> {
    this.#looking ??= this.#look()
      // A disk that cannot be asked is one that the log will find broken itself.
      .catch((err: unknown) => this.#parts.logger.error({ err }, 'the room on the disk is not known'))
      .finally(() => {
        this.#looking = undefined;
      });
    return this.#looking;
  }

  async #look(): Promise<void> {
    // What is written while the disk is looked at counts twice at most.
    const before = this.#taken;
    const { freeBytes, freeInodes, inodes, sizeBytes } = await this.#space();
    const wal = await stat(join(this.#parts.dataDir, 'coordinator.db-wal')).then(
      ({ size }) => size,
      () => 0,
    );
    this.#marks = diskMarksOf(sizeBytes);
    // The write-ahead log takes this much more before it begins anew.
    this.#free = freeBytes - Math.max(0, walBytesOf(sizeBytes) - wal);
    this.#reusable = this.#parts.reusableBytes();
    this.#taken -= before;
    this.#hasInodes = inodes === 0 || freeInodes > inodes / inodePart;
    this.#setLevel(this.#free + this.#reusable, freeBytes);
  }

  #setLevel(forLog: number, freeBytes: number): void {
    const { fullBytes, lowBytes } = this.#marks;
    const was = this.#level;
    const above = (mark: number, isBelow: boolean) => forLog > (isBelow ? mark * hysteresis : mark);
    const isFull = !above(fullBytes, was === 'full');
    const isLow = isFull || !this.#hasInodes || !above(lowBytes, was !== 'ample');
    this.#level = isFull ? 'full' : isLow ? 'low' : 'ample';
    if (this.#level === was) return;
    const { logger, onLow } = this.#parts;
    const about = { freeBytes, level: this.#level };
    if (this.#level === 'ample') {
      logger.info(about, 'there is room on the disk again: uploads, task logs and new jobs are taken');
      return;
    }
    logger.error(
      { ...about, code: 'service.disk_low' },
      isFull
        ? 'the disk is nearly full: nothing is placed until there is room; free space on the disk of data_dir'
        : 'the disk is low: uploads, task logs and new jobs are refused; free space on the disk of data_dir',
    );
    if (was === 'ample') onLow();
  }
}

export async function spaceOf(folder: string): Promise<Space> {
  const { bavail, blocks, bsize, ffree, files } = await statfs(folder);
  return { freeBytes: bavail * bsize, sizeBytes: blocks * bsize, freeInodes: ffree, inodes: files };
}
