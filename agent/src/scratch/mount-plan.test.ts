import type { Assignment } from '@capacloud/protocol/wire/frames';
import { describe, expect, it } from 'vitest';
import { keeperPathOf, planMounts, scratchBytes, scratchInodes } from './mount-plan.ts';

function assignment(inputs: readonly string[], outputs: readonly string[], diskBytes: number): Assignment {
  return {
    task: 'job_aaaaaaaaaaaaaaaaaaaa.0',
    attempt: 3,
    inputs: inputs.map((target) => ({ target })),
    outputs: outputs.map((path) => ({ path, maxBytes: 1 })),
    resources: { diskBytes },
  } as unknown as Assignment;
}

describe('a mount plan', () => {
  it('has one volume for nested folders and divides the disk among the others', () => {
    const plan = planMounts(
      assignment(['/in/a/x', '/in/y'], ['/out/sub/x.txt', '/out', '/outer/', '/out/z.txt'], 1_000_000),
    );
    expect(plan.inputs).toEqual([
      { folder: '/in', volume: 'cc-job_aaaaaaaaaaaaaaaaaaaa.0-3-in0', keeperPath: '/i0' },
    ]);
    expect(plan.scratch.map((mount) => [mount.folder, mount.keeperPath, mount.sizeBytes])).toEqual([
      ['/out', '/s0', 499_712],
      ['/outer', '/s1', 499_712],
    ]);
    expect(scratchBytes(plan)).toBe(999_424);
  });

  it('has a scratch of its own for the checkpoint, the last, with its share of the disk', () => {
    const checkpoint = { path: '/ckpt/', maxBytes: 1, timeoutMs: 1 };
    const plan = planMounts({ ...assignment(['/in/x'], ['/out', '/z/x.txt'], 900_000), checkpoint });
    expect(plan.scratch.map((mount) => [mount.folder, mount.keeperPath, mount.sizeBytes])).toEqual([
      ['/out', '/s0', 299_008],
      ['/z', '/s1', 299_008],
      ['/ckpt', '/s2', 299_008],
    ]);
    expect(plan.checkpoint).toEqual(plan.scratch[2]);
    expect(plan.checkpoint?.volume).toBe('cc-job_aaaaaaaaaaaaaaaaaaaa.0-3-out2');
    expect(scratchBytes(plan)).toBe(897_024);
    const alone = planMounts({ ...assignment([], [], 900_000), checkpoint });
    expect(alone.scratch).toEqual([alone.checkpoint]);
    expect(alone.checkpoint?.sizeBytes).toBe(897_024);
    expect(planMounts(assignment([], ['/out'], 1)).checkpoint).toBeUndefined();
  });

  it('never makes a scratch of size 0, which would have no limit', () => {
    expect(planMounts(assignment([], ['/out/x.txt'], 0)).scratch[0]?.sizeBytes).toBe(65_536);
  });

  it('finds where the keeper sees a path', () => {
    const { scratch } = planMounts(assignment([], ['/out', '/outer'], 0));
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
