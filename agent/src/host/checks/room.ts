import { statfs } from 'node:fs/promises';
import { type DiskRoom, watermarkOf } from '../../core/disk-room.ts';
import { type Finding, finding, warning } from './finding.ts';

/** Below this, images and inputs of usual size do not fit. */
const usualBytes = 2 * 1024 ** 3;
const usualInodes = 10_000;
/** The owner is told before work stops. */
const warnedAtWatermarks = 2;

/** Room on the file system of a folder. Throws what statfs throws. */
export async function roomFindings(
  ids: readonly [bytes: string, inodes: string],
  folder: string,
  mend: string,
): Promise<readonly Finding[]> {
  const { bavail, blocks, bsize, files, ffree } = await statfs(folder);
  const room = { totalBytes: blocks * bsize, freeBytes: bavail * bsize, inodes: files, freeInodes: ffree };
  return judgeRoom(ids, room, mend);
}

export function judgeRoom(
  [bytesId, inodesId]: readonly [string, string],
  room: DiskRoom,
  mend: string,
): readonly Finding[] {
  const { freeBytes, freeInodes, inodes } = room;
  const least = watermarkOf(room);
  const enoughBytes = Math.max(usualBytes, warnedAtWatermarks * least.bytes);
  const enoughInodes = Math.max(usualInodes, warnedAtWatermarks * least.inodes);
  const bytesShould = `at least ${gib(enoughBytes)}, and no new work is taken below ${gib(least.bytes)}`;
  const inodesShould = `at least ${enoughInodes} inodes free, and no new work is taken below ${least.inodes}`;
  const isTight = freeBytes < enoughBytes;
  const isCrowded = inodes > 0 && freeInodes < enoughInodes;
  const inodesText = inodes === 0 ? 'not counted' : `${freeInodes} free`;
  return [
    freeBytes >= least.bytes && isTight
      ? warning(bytesId, gib(freeBytes), bytesShould, mend)
      : finding(bytesId, !isTight, gib(freeBytes), bytesShould, mend),
    freeInodes >= least.inodes && isCrowded
      ? warning(inodesId, inodesText, inodesShould, mend)
      : finding(inodesId, !isCrowded, inodesText, inodesShould, mend),
  ];
}

function gib(bytes: number): string {
  return `${(bytes / 1024 ** 3).toFixed(1)} GiB free`;
}
