import { describe, expect, it } from 'vitest';
import { cgroupFiles, countOf } from './cgroup-evidence.ts';
import { readKernelRecord } from './kernel-log.ts';

const id = 'f'.repeat(64);

describe('cgroup files', () => {
  it('of version 1, 2 and both', () => {
    expect(cgroupFiles(`9:pids:/docker/${id}\n5:memory:/docker/${id}\n0::/\n`, id)).toEqual({
      pidsEvents: `/sys/fs/cgroup/pids/docker/${id}/pids.events`,
      memoryEvents: `/sys/fs/cgroup/memory/docker/${id}/memory.oom_control`,
    });
    expect(cgroupFiles(`0::/system.slice/docker-${id}.scope\n`, id)).toEqual({
      pidsEvents: `/sys/fs/cgroup/system.slice/docker-${id}.scope/pids.events`,
      memoryEvents: `/sys/fs/cgroup/system.slice/docker-${id}.scope/memory.events`,
    });
  });

  it('are not taken for another process of the same number', () => {
    expect(cgroupFiles('0::/user.slice\n', id)).toBeUndefined();
    expect(cgroupFiles('', id)).toBeUndefined();
  });

  it('count', () => {
    expect(countOf('low 0\nmax 12\n', 'max')).toBe(12);
    expect(countOf('oom_kill_disable 0\nunder_oom 0\noom_kill 3\n', 'oom_kill')).toBe(3);
    expect(countOf('', 'max')).toBe(0);
  });
});

describe("the kernel's log", () => {
  it('tells of kills and refused forks in this cgroup only', () => {
    const oom = `6,1,2,-;oom-kill:constraint=CONSTRAINT_MEMCG,oom_memcg=/docker/${id},task_memcg=/docker/${id},task=sh`;
    const fork = `6,1,2,-;cgroup: fork rejected by pids controller in /docker/${id}`;
    expect(readKernelRecord(oom, id)).toEqual({ oomKilled: true, pidsExhausted: false });
    expect(readKernelRecord(fork, id)).toEqual({ oomKilled: false, pidsExhausted: true });
    expect(readKernelRecord(oom, 'e'.repeat(64))).toEqual({ oomKilled: false, pidsExhausted: false });
  });
});
