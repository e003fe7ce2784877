import type { NodeId } from '@capacloud/protocol/ids';
import type { Assignment } from '@capacloud/protocol/wire/frames';
import { describe, expect, it } from 'vitest';
import { containerEnv, containerOptions, lockedDown, namedUser } from './container-profile.ts';

function assignment(change: Partial<Assignment>): Assignment {
  return {
    task: 'job_aaaaaaaaaaaaaaaaaaaa.0',
    attempt: 1,
    env: {},
    devices: [],
    taskIndex: 0,
    taskCount: 1,
    ...change,
  } as Assignment;
}
const image = {
  id: 'sha256:1',
  env: ['PATH=/bin', 'LD_PRELOAD=/x.so', 'NVIDIA_REQUIRE_CUDA=cuda>=99'],
  volumes: [],
};

describe('the environment', () => {
  // ISOLATE-3
  it('lets neither image nor job choose devices', () => {
    const env = containerEnv(
      assignment({ env: { NVIDIA_VISIBLE_DEVICES: 'all', LD_LIBRARY_PATH: '/opt', A: 'b=c' } }),
      image,
    );
    expect(env).toContain('NVIDIA_VISIBLE_DEVICES=void');
    expect(env).toContain('LD_PRELOAD');
    expect(env).toContain('NVIDIA_REQUIRE_CUDA');
    expect(env).toContain('LD_LIBRARY_PATH=/opt');
    expect(env).toContain('A=b=c');
    expect(env).not.toContain('PATH=/bin');
  });

  it('keeps library paths from the hook where devices are given', () => {
    const env = containerEnv(assignment({ devices: ['GPU-1'], env: { LD_LIBRARY_PATH: '/opt' } }), image);
    expect(env.some((entry) => entry.startsWith('LD_LIBRARY_PATH'))).toBe(false);
    expect(env).toContain('NVIDIA_DRIVER_CAPABILITIES=compute,utility');
    expect(env.some((entry) => entry.startsWith('NVIDIA_VISIBLE_DEVICES'))).toBe(false);
  });
});

describe('the user', () => {
  const policy = (allowRoot: boolean) => ({ allowRoot, pidsLimit: 1 });
  // ISOLATE-2
  it('is never root unless allowed, and has a group of its own', () => {
    expect(namedUser(assignment({}), policy(false))).toEqual({ uid: 65_532, gid: 65_532 });
    expect(namedUser(assignment({ user: '1000' }), policy(false))).toEqual({ uid: 1000, gid: 1000 });
    expect(namedUser(assignment({ user: '000:1' }), policy(false))).toBeUndefined();
    expect(namedUser(assignment({ user: '1:0' }), policy(false))).toBeUndefined();
    expect(namedUser(assignment({ user: '4294967296' }), policy(true))).toBeUndefined();
    expect(namedUser(assignment({ user: '0' }), policy(true))).toEqual({ uid: 0, gid: 0 });
  });
});

it.each([
  [0, 64 * 2 ** 20],
  [2 ** 30, 2 ** 30],
])('bounds /dev/shm, asked for %i bytes of it, within the memory', (shmBytes, ShmSize) => {
  const memoryBytes = 4 * 2 ** 30;
  const { HostConfig } = containerOptions({
    assignment: assignment({ resources: { cpuMilli: 1000, memoryBytes, diskBytes: 0, shmBytes } }),
    owner: { node: `node_${'0'.repeat(40)}` as NodeId, coordinator: 'c' },
    policy: { allowRoot: false, pidsLimit: 1 },
    user: { uid: 1, gid: 1, namedUid: 1 },
    image,
    plan: { inputs: [], scratch: [] },
    scratchInMemory: false,
    hostCpuMilli: 4000,
  });
  expect(HostConfig).toMatchObject({ ShmSize, Memory: memoryBytes });
});

// ISOLATE-1
it('gives a container no network, no rights and no writable root', () => {
  expect(lockedDown).toMatchObject({
    NetworkMode: 'none',
    IpcMode: 'private',
    ReadonlyRootfs: true,
    CapDrop: ['ALL'],
    SecurityOpt: ['no-new-privileges:true', expect.stringContaining('seccomp=')],
    Privileged: false,
  });
  expect(lockedDown).not.toHaveProperty('CapAdd');
});
