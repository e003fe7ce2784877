import type { DiskRoom } from '../ports/disk-room.ts';

/** Of a disk without an end. */
export const endlessDisk: DiskRoom = {
  level: 'ample',
  fileBytes: Number.MAX_SAFE_INTEGER,
  rowBytes: Number.MAX_SAFE_INTEGER,
  take: () => undefined,
};
