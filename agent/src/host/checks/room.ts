import { statfs } from 'node:fs/promises';
import { type Finding, finding, warning } from './finding.ts';

/** Logs, inputs and outputs of one small task need about this much; below it nothing can be run. */
const leastBytes = 64 * 1024 ** 2;
const leastInodes = 1000;
/** Below this, images and inputs of usual size do not fit. */
const usualBytes = 2 * 1024 ** 3;
const usualInodes = 10_000;

/** Room on the file system of a folder. Throws what statfs throws. */
export async function roomFindings(
  ids: readonly [bytes: string, inodes: string],
  folder: string,
  mend: string,
): Promise<readonly Finding[]> {
  const { bavail, bsize, files, ffree } = await statfs(folder);
  return judgeRoom(ids, { freeBytes: bavail * bsize, inodes: files, freeInodes: ffree }, mend);
}

export interface RoomLeft {
  readonly freeBytes: number;
  /** 0 where the file system counts none, as btrfs. */
  readonly inodes: number;
  readonly freeInodes: number;
}

export function judgeRoom(
  [bytesId, inodesId]: readonly [string, string],
  { freeBytes, inodes, freeInodes }: RoomLeft,
  mend: string,
): readonly Finding[] {
  const bytesShould = `at least ${gib(usualBytes)}`;
  const inodesShould = `at least ${usualInodes} inodes free`;
  const isTight = freeBytes < usualBytes;
  const isCrowded = inodes > 0 && freeInodes < usualInodes;
  const inodesText = inodes === 0 ? 'not counted' : `${freeInodes} free`;
  return [
    freeBytes >= leastBytes && isTight
      ? warning(bytesId, gib(freeBytes), bytesShould, mend)
      : finding(bytesId, !isTight, gib(freeBytes), bytesShould, mend),
    freeInodes >= leastInodes && isCrowded
      ? warning(inodesId, inodesText, inodesShould, mend)
      : finding(inodesId, !isCrowded, inodesText, inodesShould, mend),
  ];
}

function gib(bytes: number): string {
  return `${(bytes / 1024 ** 3).toFixed(1)} GiB free`;
}
