import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ManagedProcess, waitUntil } from '../../scripts/network/managed-process.ts';
import { busyboxArchive, importImage } from './engine-images.ts';
import { openRuntimeRig, type RuntimeRig, readLog } from './runtime-rig.ts';

let rig: RuntimeRig;
let registry: ManagedProcess;
let base: string;
let repository: string;
let digest: string;

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

beforeAll(async () => {
  rig = await openRuntimeRig();
  base = await mkdtemp(join(tmpdir(), 'cc-registry-'));
  const port = await freePort();
  const config = [
    'version: 0.1',
    'storage:',
    `  filesystem: { rootdirectory: ${join(base, 'data')} }`,
    `http: { addr: "127.0.0.1:${port}" }`,
    'log: { level: error }',
  ];
  await writeFile(join(base, 'config.yml'), `${config.join('\n')}\n`);
  registry = new ManagedProcess({
    name: 'the registry',
    command: 'docker-registry',
    args: ['serve', join(base, 'config.yml')],
    logFile: join(base, 'registry.log'),
  });
  registry.start();
  await waitUntil(
    'the registry to answer',
    () =>
      fetch(`http://127.0.0.1:${port}/v2/`).then(
        (response) => response.ok,
        () => false,
      ),
    { timeoutMs: 60_000, process: registry },
  );
  repository = `127.0.0.1:${port}/team/tool`;
  await importImage(rig.docker, repository, 'v1', await busyboxArchive(), [
    'CMD ["sh", "-c", "echo pulled"]',
    `ENV SALT=${randomBytes(8).toString('hex')}`,
  ]);
  const image = rig.docker.getImage(`${repository}:v1`);
  const pushed = await image.push({ authconfig: { username: '', password: '' } });
  let said = '';
  for await (const chunk of pushed) said += String(chunk);
  digest = /sha256:[0-9a-f]{64}(?=[^"]* size)/.exec(said)?.[0] ?? '';
  await image.remove();
});
afterAll(async () => {
  await registry?.stop();
  await rig?.close();
  await rm(base, { recursive: true, force: true });
});

async function dropImage(image: string): Promise<void> {
  await rig.docker.getImage(image).remove({ force: true });
}

describe('pulling', () => {
  it('fetches by tag, once for all who wait, and tells how far it is', async () => {
    const image = `${repository}:v1`;
    const progress: { doneBytes: number; totalBytes: number }[] = [];
    const pull = () => rig.runtime.pull(rig.assign({ image }), (step) => progress.push(step), rig.signal);
    const results = await Promise.all([pull(), pull(), pull()]);
    expect(results).toEqual([1, 2, 3].map(() => ({ ok: true, value: { image: digest } })));
    for (const step of progress) expect(step.doneBytes).toBeLessThanOrEqual(step.totalBytes);
    expect(await pull()).toEqual(results[0]);
    const seen = await rig.run(rig.assign({ image }));
    expect((await readLog(rig, seen.key)).stdout).toBe('pulled\n');
    await rig.runtime.remove(seen.key, rig.signal);
    await dropImage(image);
  });

  it('fetches by digest', async () => {
    const image = `${repository}@${digest}`;
    const assignment = rig.assign({ image });
    expect(await rig.runtime.pull(assignment, () => undefined, rig.signal)).toEqual({
      ok: true,
      value: { image: digest },
    });
    const seen = await rig.run(assignment);
    expect((await readLog(rig, seen.key)).stdout).toBe('pulled\n');
    await rig.runtime.remove(seen.key, rig.signal);
    await dropImage(image);
  });

  it('says when there is no such tag, repository or digest', async () => {
    for (const image of [
      `${repository}:v2`,
      `${repository}-other:v1`,
      `${repository}@sha256:${'0'.repeat(64)}`,
    ]) {
      expect(await rig.runtime.pull(rig.assign({ image }), () => undefined, rig.signal)).toMatchObject({
        ok: false,
        refusal: { reason: 'image_not_found', message: expect.stringContaining(image.slice(0, 20)) },
      });
    }
  });

  it('ends when nobody waits any more', async () => {
    const stop = new AbortController();
    const pull = rig.runtime.pull(rig.assign({ image: `${repository}:v1` }), () => undefined, stop.signal);
    stop.abort(new Error('enough'));
    await expect(pull).rejects.toThrow('enough');
  });
});
