/** What is left on a file system. */
export interface DiskRoom {
  readonly totalBytes: number;
  readonly freeBytes: number;
  /** 0 where the file system counts none, as btrfs. */
  readonly inodes: number;
  readonly freeInodes: number;
}

const mebibyte = 2 ** 20;
/** Logs, inputs and outputs of one small task need about this much. */
export const leastFreeBytes = 64 * mebibyte;
/** The share of a disk that stays free, in percent: engines and kernels fare badly on disks that are full. */
const freePercent = 2;
/** No more than this has to stay free, however large the disk is. */
export const mostFreeBytes = 2048 * mebibyte;
export const leastFreeInodes = 1000;
export const mostFreeInodes = 50_000;

/** Below this a node takes no new work, and images that nothing needs are removed. */
export function watermarkOf({ inodes, totalBytes }: DiskRoom): {
  readonly bytes: number;
  readonly inodes: number;
} {
  return {
    bytes: clamp(Math.floor((totalBytes * freePercent) / 100), leastFreeBytes, mostFreeBytes),
    inodes:
      inodes === 0 ? 0 : clamp(Math.floor((inodes * freePercent) / 100), leastFreeInodes, mostFreeInodes),
  };
}

/** Whether less than `times` the watermark is free. */
export function isShort(room: DiskRoom, times = 1): boolean {
  const { bytes, inodes } = watermarkOf(room);
  return room.freeBytes < times * bytes || (inodes > 0 && room.freeInodes < times * inodes);
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}

/** What images that the agent pulls may take together, and so what one of them may take. */
export interface ImageBudget {
  readonly bytes: number;
  readonly inodes: number;
}

/** An amount, or a share of what is free beside the images that were pulled before. */
export type ImageShare = { readonly kind: 'amount' | 'percent'; readonly value: number };

export const defaultImageShare: ImageShare = { kind: 'percent', value: 25 };

/** As ext4 counts: one file for so many bytes. Images of usual size have fewer. */
const bytesPerInode = 16 * 1024;
/** Small images have many files for their size. */
const leastImageInodes = 20_000;
/** Of the inodes that are free, images get one part of so many at most. */
const inodeParts = 4;

export function imageBudgetOf(share: ImageShare, room: DiskRoom, usedBytes: number): ImageBudget {
  const wanted =
    share.kind === 'amount' ? share.value : Math.floor(((room.freeBytes + usedBytes) * share.value) / 100);
  const bytes = Math.min(wanted, room.freeBytes + usedBytes);
  const inodes = Math.max(leastImageInodes, Math.floor(bytes / bytesPerInode));
  const free = room.inodes === 0 ? Number.POSITIVE_INFINITY : Math.floor(room.freeInodes / inodeParts);
  return { bytes, inodes: Math.min(inodes, free) };
}
