import type { Engine } from '../engine/engine.ts';
import { keeperProgram, statfsWords } from './keeper-image.ts';
import type { ScratchMount } from './mount-plan.ts';

export interface ScratchUsage {
  readonly usedBytes: number;
  readonly full: boolean;
}

const fullShare = 0.98;
const wordBytes = 8;
const recordBytes = statfsWords * wordBytes;

/** Reads what the keeper wrote: one record a path. Full when any of them has 98 % of its bytes or inodes in use. */
export function readUsage(bytes: Buffer): ScratchUsage {
  let usedBytes = 0;
  let full = false;
  for (let start = 0; start + recordBytes <= bytes.length; start += recordBytes) {
    const word = (index: number) => Number(bytes.readBigUInt64LE(start + index * wordBytes));
    const [blockBytes, blocks, freeBlocks, availableBlocks] = [word(1), word(2), word(3), word(4)];
    const [files, freeFiles] = [word(5), word(6)];
    usedBytes += (blocks - freeBlocks) * blockBytes;
    // Of the free blocks a file system may keep some for itself.
    full ||= blocks > 0 && blocks - availableBlocks >= fullShare * blocks;
    full ||= files > 0 && files - freeFiles >= fullShare * files;
  }
  return { usedBytes, full };
}

/** How full the scratch is, asked from inside the keeper: the agent itself may not see the engine's disks. */
export async function measureScratch(
  engine: Engine,
  keeper: string,
  scratch: readonly ScratchMount[],
  signal: AbortSignal,
): Promise<ScratchUsage> {
  if (scratch.length === 0) return { usedBytes: 0, full: false };
  const command = [keeperProgram, ...scratch.map((mount) => mount.keeperPath)];
  const stream = await engine.exec(keeper, command, signal);
  const expectedBytes = scratch.length * recordBytes;
  let frames = Buffer.alloc(0);
  try {
    for await (const chunk of stream.chunks) {
      frames = Buffer.concat([frames, chunk]);
      if (frames.length > 2 * (expectedBytes + scratch.length * wordBytes)) break;
    }
  } finally {
    stream.close();
  }
  const payload = framePayload(frames);
  if (payload.length !== expectedBytes) throw new Error('the keeper could not measure the scratch');
  return readUsage(payload);
}

/** Payload of the engine's multiplexed frames: 8 bytes of header (stream, length) before each. */
function framePayload(frames: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let start = 0; start + 8 <= frames.length; ) {
    const length = frames.readUInt32BE(start + 4);
    parts.push(frames.subarray(start + 8, start + 8 + length));
    start += 8 + length;
  }
  return Buffer.concat(parts);
}
