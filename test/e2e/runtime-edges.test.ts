import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createDockerRuntime } from '@capacloud/agent/container/docker-runtime';
import { examEngine } from '@capacloud/agent/container/engine-exam';
import type { NodeId } from '@capacloud/protocol/ids';
import { openRuntimeRig, type RuntimeRig, readLog, script, until } from '@capacloud/rig/engine/runtime-rig';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

let rig: RuntimeRig;
beforeAll(async () => {
  rig = await openRuntimeRig();
});
afterAll(async () => {
  await rig.close();
});

async function collect(assignment: ReturnType<RuntimeRig['assign']>) {
  await rig.run(assignment);
  return await rig.runtime.collect(assignment, join(await rig.folder(), 'o'), rig.signal);
}

describe('what cannot start', () => {
  it('a container with a GPU that nobody has: the doctor hears the engine’s own words, and leaves nothing', async () => {
    const exam = examEngine(rig.options.socketPath);
    expect(await exam.facts(rig.signal)).toMatchObject({ product: 'Docker', missingLimits: [] });
    expect(await exam.tryGpus(['GPU-none'], rig.signal)).toMatch(/device|nvidia|cdi/i);
    const filters = { label: ['capacloud.doctor'] };
    expect(await rig.docker.listContainers({ all: true, filters })).toEqual([]);
  });

  it('an image that does not exist', async () => {
    const assignment = rig.assign({ ...script('true'), image: '127.0.0.1:1/nowhere/nothing:1' });
    const pulled = await rig.runtime.pull(assignment, () => undefined, rig.signal);
    expect(pulled).toMatchObject({ ok: false, refusal: { reason: 'registry_not_allowed' } });
    const invalid = rig.assign({ ...script('true'), image: 'UPPER/Case::1' });
    expect(await rig.runtime.pull(invalid, () => undefined, rig.signal)).toMatchObject({
      ok: false,
      refusal: { reason: 'image_not_found' },
    });
  });

  it('an entrypoint that is not in the image', async () => {
    for (const entrypoint of [['/no/such/program'], ['nosuchprogram'], ['/bin/sh/x']]) {
      const assignment = rig.assign({ entrypoint });
      expect(await rig.runtime.prepare(assignment, [], rig.signal)).toMatchObject({ ok: true });
      expect(await rig.start(assignment)).toMatchObject({
        ok: false,
        refusal: { reason: 'start_failed', message: expect.stringContaining(entrypoint[0] ?? '') },
      });
      await rig.runtime.remove(assignment, rig.signal);
    }
  });

  it('a working directory that is a file', async () => {
    const assignment = rig.assign({ ...script('true'), workingDir: '/bin/busybox' });
    const prepared = await rig.runtime.prepare(assignment, [], rig.signal);
    const started = prepared.ok ? await rig.start(assignment) : prepared;
    expect(started).toMatchObject({ ok: false, refusal: { reason: 'start_failed' } });
  });

  it('an input that the agent lost', async () => {
    const input = { sha256: 'a'.repeat(64) as never, sizeBytes: 1, target: '/in/x' };
    const assignment = rig.assign({ ...script('true'), inputs: [input] });
    const prepared = await rig.runtime.prepare(
      assignment,
      [{ target: '/in/x', localPath: '/nonexistent/x' }],
      rig.signal,
    );
    expect(prepared).toMatchObject({ ok: false, refusal: { reason: 'input_unavailable' } });
  });
});

describe('inputs', () => {
  it('are readable and cannot be written', async () => {
    const localPath = join(await rig.folder(), 'x');
    await writeFile(localPath, 'data');
    const input = (target: string) => ({ sha256: 'a'.repeat(64) as never, sizeBytes: 4, target });
    const assignment = rig.assign({
      ...script('cat /in/a /in/sub/b; echo x > /in/a; touch /in/new; rm -f /in/a; exit 0'),
      inputs: [input('/in/a'), input('/in/sub/b')],
    });
    const seen = await rig.run(assignment, [
      { target: '/in/a', localPath },
      { target: '/in/sub/b', localPath },
    ]);
    const { stdout, stderr } = await readLog(rig, seen.key);
    expect(stdout).toBe('datadata');
    expect(stderr.match(/Read-only file system/g)).toHaveLength(3);
  });
});

describe('outputs', () => {
  it('as a folder with folders in it', async () => {
    const assignment = rig.assign({
      ...script('mkdir -p /out/a/b; printf one > /out/a/b/1; printf "" > /out/empty; exit 0'),
      outputs: [{ path: '/out/', maxBytes: 100 }],
    });
    const collected = await collect(assignment);
    if (!collected.ok) throw new Error(collected.refusal.message);
    expect(new Map(collected.value.files.map((file) => [file.path, file.sizeBytes]))).toEqual(
      new Map([
        ['/out/a/b/1', 3],
        ['/out/empty', 0],
      ]),
    );
    const one = collected.value.files.find((file) => file.sizeBytes === 3);
    expect(await readFile(one?.localPath ?? '', 'utf8')).toBe('one');
  });
});

describe('doing it again', () => {
  it('prepares, starts, stops and removes twice without harm', async () => {
    const assignment = rig.assign({
      ...script('echo once; sleep 60'),
      outputs: [{ path: '/out/x.txt', maxBytes: 10 }],
    });
    expect(
      await Promise.all([
        rig.runtime.prepare(assignment, [], rig.signal),
        rig.runtime.prepare(assignment, [], rig.signal),
      ]),
    ).toMatchObject([{ ok: true }, { ok: true }]);
    expect(await Promise.all([rig.start(assignment), rig.start(assignment)])).toMatchObject([
      { ok: true },
      { ok: true },
    ]);
    await until(
      async () =>
        (await rig.docker.getContainer(`cc-${assignment.task}-1`).logs({ stdout: true })).length > 0,
    );
    await Promise.all([
      rig.runtime.stop(assignment, 0, rig.signal),
      rig.runtime.stop(assignment, 0, rig.signal),
    ]);
    expect(await rig.start(assignment)).toMatchObject({ ok: true });
    expect(await rig.runtime.wait(assignment, rig.signal)).toMatchObject({
      container: 'exited',
      exitCode: 137,
    });
    expect((await readLog(rig, assignment)).stdout).toBe('once\n');
    await Promise.all([
      rig.runtime.remove(assignment, rig.signal),
      rig.runtime.remove(assignment, rig.signal),
    ]);
    await rig.runtime.stop(assignment, 0, rig.signal);
    expect(await rig.runtime.wait(assignment, rig.signal)).toMatchObject({
      container: 'absent',
      engineLost: true,
    });
    await rig.runtime.remove(assignment, rig.signal);
  });

  it('shows one agent nothing of another on the same engine', async () => {
    const other = createDockerRuntime({
      ...rig.options,
      owner: { ...rig.options.owner, node: `node_${'ab'.repeat(20)}` as NodeId },
    });
    const elsewhere = createDockerRuntime({
      ...rig.options,
      owner: { ...rig.options.owner, coordinator: 'other' },
    });
    const key = await rig.launch(rig.assign(script('sleep 60')));
    expect((await rig.runtime.observe(rig.signal)).some((seen) => seen.key.task === key.task)).toBe(true);
    for (const runtime of [other, elsewhere]) {
      expect(await runtime.observe(rig.signal)).toEqual([]);
      await runtime.remove(key, rig.signal);
      expect(
        await runtime.prepare(rig.assign({ ...script('true'), task: key.task }), [], rig.signal),
      ).toMatchObject({
        ok: false,
        refusal: { reason: 'refused' },
      });
    }
    expect((await rig.docker.getContainer(`cc-${key.task}-1`).inspect()).State.Running).toBe(true);
    await rig.runtime.remove(key, rig.signal);
  });

  it('finds and removes what a killed agent left, whatever it was', async () => {
    const labels = (task: string) => ({
      'capacloud.node': rig.options.owner.node,
      'capacloud.coordinator': rig.options.owner.coordinator,
      'capacloud.task': task,
      'capacloud.attempt': '1',
    });
    const running = rig.assign({ ...script('sleep 60'), outputs: [{ path: '/out/x.txt', maxBytes: 1 }] });
    await rig.launch(running);
    const halfway = rig.assign(script('true')).task;
    await rig.docker.createVolume({
      Name: `cc-${halfway}-1-out0`,
      Labels: { ...labels(halfway), 'capacloud.role': 'scratch' },
    });
    const restarted = createDockerRuntime({
      ...rig.options,
      stateDir: await mkdtemp(join(await rig.folder(), 's')),
    });
    const seen = await restarted.observe(rig.signal);
    expect(seen).toContainEqual(
      expect.objectContaining({
        key: { task: running.task, attempt: 1 },
        container: 'running',
        scratch: true,
      }),
    );
    expect(seen).toContainEqual(
      expect.objectContaining({ key: { task: halfway, attempt: 1 }, container: 'absent', scratch: true }),
    );
    for (const { key } of seen) await restarted.remove(key, rig.signal);
    expect(await restarted.observe(rig.signal)).toEqual([]);
    const filters = { label: [`capacloud.node=${rig.options.owner.node}`] };
    expect(await rig.docker.listContainers({ all: true, filters })).toEqual([]);
    expect((await rig.docker.listVolumes({ filters })).Volumes ?? []).toEqual([]);
  });

  it('hands over a log once, across a restart of the agent', async () => {
    const key = await rig.launch(
      rig.assign(
        script(
          'i=0; while [ $i -lt 400 ]; do echo line-$i; echo err-$i >&2; i=$((i+1)); [ $((i % 100)) = 0 ] && sleep 1; done; exit 0',
        ),
      ),
    );
    const text: Buffer[] = [];
    const first = new AbortController();
    const size = () => text.reduce((sum, part) => sum + part.length, 0);
    await expect(
      rig.runtime.followLogs(
        key,
        0,
        async (chunk) => {
          if (size() > 3000) first.abort(new Error('killed'));
          first.signal.throwIfAborted();
          text.push(Buffer.from(chunk.bytes));
        },
        first.signal,
      ),
    ).rejects.toThrow('killed');
    const restarted = createDockerRuntime(rig.options);
    await restarted.followLogs(
      key,
      size(),
      async (chunk) => void text.push(Buffer.from(chunk.bytes)),
      rig.signal,
    );
    const lines = Buffer.concat(text).toString().trim().split('\n');
    expect(lines.toSorted()).toEqual(
      Array.from({ length: 400 }, (_, i) => [`line-${i}`, `err-${i}`])
        .flat()
        .toSorted(),
    );
  });
});
