import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createDockerRuntime } from '@capacloud/agent/container/docker-runtime';
import { hasLoopDevices } from '@capacloud/rig/engine/real-parts';
import { openRuntimeRig, type RuntimeRig, readLog, script } from '@capacloud/rig/engine/runtime-rig';
import { programPath } from '@capacloud/rig/programs/programs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const mebibyte = 2 ** 20;
let rig: RuntimeRig;
const attached = () =>
  execFileSync(programPath('losetup'), ['--list', '--noheadings', '--output', 'BACK-FILE']).toString();

describe.skipIf(!(await hasLoopDevices()))('scratch in a loop device', () => {
  beforeAll(async () => {
    rig = await openRuntimeRig({ scratch: 'loop' });
  });
  afterAll(async () => {
    await rig.close();
  });

  it('gives what was asked for, counts no memory, and is full at its size', async () => {
    const assignment = rig.assign({
      ...script(
        'ls -a /out; printf kept > /out/a.txt; dd if=/dev/zero of=/out/big bs=1M 2>/dev/null; ls -s /out/big; exit 0',
      ),
      outputs: [{ path: '/out/a.txt', maxBytes: 10 }],
      resources: { diskBytes: 48 * mebibyte, memoryBytes: 16 * mebibyte },
    });
    const seen = await rig.run(assignment);
    expect(seen).toMatchObject({ container: 'exited', exitCode: 0, oomKilled: false });
    const info = await rig.docker.getContainer(`cc-${assignment.task}-1`).inspect();
    expect(info.HostConfig.Memory).toBe(16 * mebibyte);
    const { stdout } = await readLog(rig, seen.key);
    expect(stdout.startsWith('.\n..\n')).toBe(true);
    expect(stdout).not.toContain('lost+found');
    const usedKib = Number(/(\d+) \/out\/big/.exec(stdout)?.[1]);
    expect(usedKib).toBeGreaterThan(46 * 1024);
    expect(usedKib).toBeLessThan(56 * 1024);
    const collected = await rig.runtime.collect(assignment, join(await rig.folder(), 'o'), rig.signal);
    expect(collected).toMatchObject({
      ok: true,
      value: { scratchFull: true, files: [{ path: '/out/a.txt', sizeBytes: 4 }] },
    });
    const images = join(rig.options.stateDir, 'scratch');
    expect(await readdir(images)).toHaveLength(1);
    expect(attached()).toContain(images);
    await rig.runtime.remove(seen.key, rig.signal);
    expect(await readdir(images)).toEqual([]);
    expect(attached()).not.toContain(images);
  });

  it('is found and freed after the agent was killed', async () => {
    const assignment = rig.assign({ ...script('sleep 60'), outputs: [{ path: '/out/a.txt', maxBytes: 10 }] });
    await rig.launch(assignment);
    const restarted = createDockerRuntime(rig.options);
    const [seen] = await restarted.observe(rig.signal);
    expect(seen).toMatchObject({
      key: { task: assignment.task, attempt: 1 },
      container: 'running',
      scratch: true,
    });
    await restarted.remove(assignment, rig.signal);
    const image = join(rig.options.stateDir, 'scratch', `cc-${assignment.task}-1-out0.img`);
    expect(existsSync(image)).toBe(false);
    expect(attached()).not.toContain(image);
    expect(await restarted.observe(rig.signal)).toEqual([]);
  });
});
