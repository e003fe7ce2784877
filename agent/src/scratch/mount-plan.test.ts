import type { Assignment } from '@capacloud/protocol/wire/frames';
import { describe, expect, it } from 'vitest';
import {
  keeperPathOf,
  type MountPlan,
  planMounts,
  scratchBytes,
  scratchInodes,
  scratchOf,
  topmost,
} from './mount-plan.ts';

function planned(inputs: readonly string[], scratch: readonly string[], diskBytes: number): MountPlan {
  const attempt = { task: 'job_aaaaaaaaaaaaaaaaaaaa.0', attempt: 3, resources: { diskBytes } };
  return planMounts(attempt as Assignment, { inputs, scratch });
}

describe('a mount plan', () => {
  it('has a volume for each folder and divides the disk among the writable ones', () => {
    const plan = planned(['/in'], ['/out', '/outer'], 1_000_000);
    expect(plan.inputs).toEqual([
      { folder: '/in', volume: 'cc-job_aaaaaaaaaaaaaaaaaaaa.0-3-in0', keeperPath: '/i0' },
    ]);
    expect(plan.scratch.map((mount) => [mount.folder, mount.keeperPath, mount.sizeBytes])).toEqual([
      ['/out', '/s0', 499_712],
      ['/outer', '/s1', 499_712],
    ]);
    expect(scratchBytes(plan)).toBe(999_424);
  });

  it('gives nested folders to the topmost one', () => {
    expect(topmost(['/out/sub', '/out', '/outer', '/out'])).toEqual(['/out', '/outer']);
  });

  it('gives every scratch folder the same share of the disk, in their order', () => {
    const plan = planned([], ['/out', '/z', '/ckpt'], 900_000);
    expect(plan.scratch.map((mount) => [mount.folder, mount.keeperPath, mount.sizeBytes])).toEqual([
      ['/out', '/s0', 299_008],
      ['/z', '/s1', 299_008],
      ['/ckpt', '/s2', 299_008],
    ]);
    expect(plan.scratch[2]?.volume).toBe('cc-job_aaaaaaaaaaaaaaaaaaaa.0-3-out2');
    expect(scratchBytes(plan)).toBe(897_024);
    expect(scratchOf(plan, '/ckpt/')).toEqual(plan.scratch[2]);
    expect(() => scratchOf(plan, '/other')).toThrow(/did not plan/);
  });

  it('never makes a scratch of size 0, which would have no limit', () => {
    expect(planned([], ['/out'], 0).scratch[0]?.sizeBytes).toBe(65_536);
  });

  it('finds where the keeper sees a path', () => {
    const { scratch } = planned([], ['/out', '/outer'], 0);
    expect(keeperPathOf(scratch, '/out/a/b.txt')).toMatchObject({
      mount: { keeperPath: '/s0' },
      parts: ['a', 'b.txt'],
    });
    expect(keeperPathOf(scratch, '/outer/')).toMatchObject({ mount: { keeperPath: '/s1' }, parts: [] });
    expect(keeperPathOf(scratch, '/elsewhere/x')).toBeUndefined();
  });

  it('bounds inodes on both sides', () => {
    expect([0, 4 * 2 ** 20, 2 ** 50].map((bytes) => scratchInodes(bytes))).toEqual([256, 1024, 262_144]);
  });
});
