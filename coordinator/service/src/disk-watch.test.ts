import { pino } from 'pino';
import { expect, it } from 'vitest';
import { diskMarksOf, walBytesOf } from './disk-marks.ts';
import { DiskWatch } from './disk-watch.ts';

const mebibyte = 2 ** 20;
const sizeBytes = 200 * mebibyte;
const marks = diskMarksOf(sizeBytes);
/** There is no write-ahead log: all of it may still come. */
const walBytes = walBytesOf(sizeBytes);

function watch() {
  const disk = { freeBytes: sizeBytes, sizeBytes, freeInodes: 900, inodes: 1000 };
  let reusable = 0;
  let lows = 0;
  const room = new DiskWatch({
    dataDir: '/nowhere',
    reusableBytes: () => reusable,
    logger: pino({ level: 'silent' }),
    space: () => Promise.resolve({ ...disk }),
    onLow: () => {
      lows += 1;
    },
  });
  return {
    room,
    disk,
    lows: () => lows,
    reuse: (bytes: number) => {
      reusable = bytes;
    },
  };
}

it('refuses files before jobs, jobs before placement, and takes each again with some room to spare', async () => {
  const { disk, lows, room } = watch();
  const levelAt = async (freeBytes: number) => {
    disk.freeBytes = freeBytes + walBytes;
    await room.look();
    return [room.level, room.fileBytes > 0, room.rowBytes > 0];
  };
  expect(await levelAt(marks.fileBytes + 1)).toEqual(['ample', true, true]);
  expect(await levelAt(marks.lowBytes + 1)).toEqual(['ample', false, true]);
  expect(await levelAt(marks.lowBytes)).toEqual(['low', false, false]);
  expect(await levelAt(marks.lowBytes + 1)).toEqual(['low', false, false]);
  expect(await levelAt(marks.fullBytes)).toEqual(['full', false, false]);
  expect(await levelAt(marks.fullBytes * 1.2)).toEqual(['full', false, false]);
  expect(await levelAt(marks.fullBytes * 1.3)).toEqual(['low', false, false]);
  expect(await levelAt(marks.lowBytes * 1.3)).toEqual(['ample', false, true]);
  expect(lows()).toBe(1);
});

it('counts what is taken until it looks again, and the free pages of the database for rows alone', async () => {
  const { disk, reuse, room } = watch();
  disk.freeBytes = marks.fileBytes + walBytes + mebibyte;
  await room.look();
  expect(room.fileBytes).toBe(mebibyte);
  room.take(mebibyte);
  expect(room.fileBytes).toBe(0);
  await room.look();
  expect(room.fileBytes).toBe(mebibyte);
  disk.freeBytes = walBytes;
  reuse(100 * mebibyte);
  await room.look();
  expect([room.level, room.fileBytes > 0, room.rowBytes > 0]).toEqual(['ample', false, true]);
});

it('takes a disk without inodes for a low one', async () => {
  const { disk, room } = watch();
  disk.freeInodes = 10;
  await room.look();
  expect([room.level, room.fileBytes]).toEqual(['low', 0]);
  disk.inodes = 0;
  await room.look();
  expect(room.level).toBe('ample');
});
