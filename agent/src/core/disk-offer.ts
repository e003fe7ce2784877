import { type DiskRoom, type ImageShare, imageBudgetOf, watermarkOf } from './disk-room.ts';

interface DiskUse {
  readonly room: DiskRoom;
  /** What scratch and kept outputs of attempts take of this disk: it is sold already. */
  readonly attemptBytes: number;
  /** What images that the agent pulled may take of this disk, and take; absent where they lie on another. */
  readonly images?: { readonly share: ImageShare; readonly usedBytes: number };
}

/** What can be sold as disk: what is free and what attempts have of it, without the watermark and the room of images. */
export function sellableBytes({ attemptBytes, images, room }: DiskUse): number {
  const reserved =
    images === undefined
      ? 0
      : Math.max(0, imageBudgetOf(images.share, room, images.usedBytes).bytes - images.usedBytes);
  return Math.max(0, room.freeBytes - watermarkOf(room).bytes - reserved) + attemptBytes;
}

/** An offer changes in steps of one part of so many, or each file that is written would make a new one. */
const steps = 16;

/** What is offered of `wantedBytes`: at most what can be sold, and more than before only where it is more by a step. */
export function steadyOffer(wantedBytes: number, sellable: number, beforeBytes: number): number {
  const step = Math.max(1, Math.floor(wantedBytes / steps));
  const level = sellable >= wantedBytes ? wantedBytes : Math.floor(sellable / step) * step;
  const before = Math.min(beforeBytes, wantedBytes);
  if (level <= before) return level;
  return sellable >= before + 2 * step ? level : before;
}
