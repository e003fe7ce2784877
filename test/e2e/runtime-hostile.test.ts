import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { openRuntimeRig, type RuntimeRig, readLog, script, until } from '@capacloud/rig/engine/runtime-rig';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const mebibyte = 2 ** 20;
let rig: RuntimeRig;
beforeAll(async () => {
  rig = await openRuntimeRig();
});
afterAll(async () => {
  await rig.close();
});

describe('a program that misbehaves', () => {
  it('loses a child to the memory limit and exits with 0: the kill is seen', async () => {
    const hog = 'sh -c "x=aaaaaaaaaaaaaaaa; while true; do x=\\$x\\$x; done"; echo survived; exit 0';
    const seen = await rig.run(rig.assign({ ...script(hog), resources: { memoryBytes: 16 * mebibyte } }));
    expect(seen).toMatchObject({ container: 'exited', exitCode: 0, oomKilled: true });
    expect((await readLog(rig, seen.key)).stdout).toContain('survived');
  });

  it('is itself killed for memory', async () => {
    const hog = 'x=aaaaaaaaaaaaaaaa; while true; do x=$x$x; done';
    const seen = await rig.run(rig.assign({ ...script(hog), resources: { memoryBytes: 16 * mebibyte } }));
    expect(seen).toMatchObject({ container: 'exited', exitCode: 137, oomKilled: true });
  });

  it('is a fork bomb: the limit holds, and is noted while it runs', async () => {
    const bomb = '(while :; do sleep 20 & done) 2>/dev/null & exec sleep 20';
    const key = await rig.launch(rig.assign(script(bomb)));
    const ended = rig.runtime.wait(key, rig.signal);
    await until(async () => rig.runtime.pidsExhausted(key));
    const { Processes: processes } = (await rig.docker.getContainer(`cc-${key.task}-1`).top()) as {
      Processes: string[][];
    };
    expect(processes.length).toBeGreaterThan(32);
    expect(processes.length).toBeLessThanOrEqual(64);
    await rig.runtime.stop(key, 0, rig.signal);
    await ended;
    expect(rig.runtime.pidsExhausted(key)).toBe(true);
  });

  it('dies at once of its process limit: the kernel still tells', async () => {
    const seen = await rig.run(rig.assign(script('while :; do sleep 5 & done')));
    expect(seen.exitCode).not.toBe(0);
    expect(rig.runtime.pidsExhausted(seen.key)).toBe(true);
  });

  it('fills its disk: it sees ENOSPC, and the scratch is known to be full', async () => {
    const assignment = rig.assign({
      ...script('dd if=/dev/zero of=/out/big.bin bs=64k 2>&1; exit 4'),
      outputs: [{ path: '/out/other.txt', maxBytes: 10 }],
      resources: { diskBytes: 4 * mebibyte },
    });
    const seen = await rig.run(assignment);
    expect(seen).toMatchObject({ exitCode: 4, oomKilled: false });
    expect((await readLog(rig, seen.key)).stdout).toContain('No space left on device');
    const collected = await rig.runtime.collect(assignment, join(await rig.folder(), 'o'), rig.signal);
    expect(collected).toMatchObject({
      ok: true,
      value: { failure: { reason: 'output_missing' }, scratchFull: true },
    });
  });

  it('uses up its inodes', async () => {
    const assignment = rig.assign({
      ...script('i=0; while touch /out/$i 2>/dev/null; do i=$((i+1)); done; echo $i; exit 5'),
      outputs: [{ path: '/out', maxBytes: 10 }],
      resources: { diskBytes: 4 * mebibyte },
    });
    const seen = await rig.run(assignment);
    expect(Number((await readLog(rig, seen.key)).stdout)).toBeLessThanOrEqual(1024);
    const collected = await rig.runtime.collect(assignment, join(await rig.folder(), 'o'), rig.signal);
    expect(collected).toMatchObject({ ok: true, value: { scratchFull: true } });
  });

  it('writes far more log than is kept: bounded on disk and in memory', async () => {
    const line = 'x'.repeat(8191);
    const key = await rig.launch(
      rig.assign({
        ...script(`yes ${line} | head -c ${96 * mebibyte}; exit 0`),
        resources: { cpuMilli: 2000 },
      }),
    );
    const before = process.memoryUsage().rss;
    let bytes = 0;
    let peak = 0;
    await rig.runtime.followLogs(
      key,
      0,
      async (chunk) => {
        bytes += chunk.bytes.length;
        peak = Math.max(peak, process.memoryUsage().rss);
      },
      rig.signal,
    );
    expect(await rig.runtime.wait(key, rig.signal)).toMatchObject({ container: 'exited', exitCode: 0 });
    expect(bytes).toBeGreaterThan(10 * mebibyte);
    expect(bytes).toBeLessThanOrEqual(1024 * mebibyte);
    expect(peak - before).toBeLessThan(256 * mebibyte);
    const { Id: id } = await rig.docker.getContainer(`cc-${key.task}-1`).inspect();
    const { DockerRootDir: root } = (await rig.docker.info()) as { DockerRootDir: string };
    const logs = join(root, 'containers', id, 'local-logs');
    if (existsSync(logs)) expect((await readdir(logs)).length).toBeLessThanOrEqual(13);
  });

  it('ignores TERM: it is killed when its grace is over', async () => {
    const key = await rig.launch(
      rig.assign(script('trap "" TERM; echo ready; while true; do sleep 1; done')),
    );
    const ready = Promise.withResolvers<void>();
    const log = rig.runtime.followLogs(key, 0, async () => ready.resolve(), rig.signal);
    await ready.promise;
    await rig.runtime.stop(key, 1000, rig.signal);
    expect(await rig.runtime.wait(key, rig.signal)).toMatchObject({
      container: 'exited',
      exitCode: 137,
      oomKilled: false,
    });
    await rig.runtime.stop(key, 1000, rig.signal);
    await log;
  });

  it('obeys TERM within its grace', async () => {
    const key = await rig.launch(
      rig.assign(script('trap "echo bye; exit 7" TERM; echo ready; while true; do sleep 0.1; done')),
    );
    await until(async () =>
      (await rig.runtime.observe(rig.signal)).some(
        (seen) => seen.key.task === key.task && seen.container === 'running',
      ),
    );
    const ready = Promise.withResolvers<void>();
    const log = rig.runtime.followLogs(key, 0, async () => ready.resolve(), rig.signal);
    await ready.promise;
    await rig.runtime.stop(key, 20_000, rig.signal);
    expect(await rig.runtime.wait(key, rig.signal)).toMatchObject({ container: 'exited', exitCode: 7 });
    await log;
  });

  it('is stopped by somebody else on the node: that is not its own end', async () => {
    const key = await rig.launch(rig.assign(script('trap "exit 0" TERM; while true; do sleep 0.1; done')));
    const ended = rig.runtime.wait(key, rig.signal);
    await rig.docker.getContainer(`cc-${key.task}-1`).stop();
    expect(await ended).toMatchObject({ container: 'broken', engineLost: true });
  });
});
