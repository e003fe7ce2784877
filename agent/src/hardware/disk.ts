import { statfs } from 'node:fs/promises';
import type { Probe } from './probe.ts';

export interface DiskFacts {
  readonly totalBytes: number;
  readonly freeBytes: number;
  readonly inodes: number;
  readonly freeInodes: number;
}

/** The file system that holds `dir`. statfs can hang on a dead mount: the deadline is what ends it. */
export function diskProbe(dir: string): Probe<DiskFacts> {
  return {
    name: 'disk',
    deadlineMs: 10_000,
    everyMs: 30_000,
    async read() {
      const { bsize, blocks, bavail, files, ffree } = await statfs(dir);
      return { totalBytes: blocks * bsize, freeBytes: bavail * bsize, inodes: files, freeInodes: ffree };
    },
  };
}
