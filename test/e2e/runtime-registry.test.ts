import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createDockerRuntime } from '@capacloud/agent/container/docker-runtime';
import { readLocalImages } from '@capacloud/agent/core/local-images';
import { openRuntimeRig, type RuntimeRig, readLog } from '@capacloud/rig/engine/runtime-rig';
import { busyboxArchive, dockerSocket, importImage } from '@capacloud/rig/images/engine-images';
import { hostPlatform, type OddImage, type Platform, Registry } from '@capacloud/rig/images/registry';
import { registriesFor } from '@capacloud/rig/images/test-registries';
import { removeFromEngine } from '@capacloud/rig/leftovers/engine-objects';
import { newRunId } from '@capacloud/rig/leftovers/run-record';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

let rig: RuntimeRig;
let registry: Registry;
let layer: Buffer;
/** Names that tests gave to images on the engine. */
const made: string[] = [];

beforeAll(async () => {
  layer = await busyboxArchive();
  registry = await Registry.open(layer);
  rig = await openRuntimeRig({ registries: registriesFor([`http://${registry.host}`]) });
});
afterEach(async () => {
  for (const { key } of await rig.runtime.observe(rig.signal)) await rig.runtime.remove(key, rig.signal);
  for (const image of made.splice(0))
    await rig.docker.getImage(image).remove({ force: true }).catch(ignoreMissing);
  await registry.removePulled(rig.docker);
});
afterAll(async () => {
  await rig.close();
  await registry.close();
});

function ignoreMissing(error: Error & { readonly statusCode?: number }): void {
  if (error.statusCode !== 404) throw error;
}

/** An image in the registry; gives its name with the registry, and its digest. */
async function push(
  repository: string,
  tag = 'v1',
): Promise<{ readonly name: string; readonly digest: string }> {
  const digest = await registry.push(repository, tag);
  return { name: `${registry.base}/${repository}`, digest };
}

/** An image that only the owner has, under a name in the registry; gives its id. */
async function own(name: string, tag = 'v1'): Promise<string> {
  const image = await importImage(rig.docker, name, tag, layer, ['CMD ["sh", "-c", "echo private"]']);
  const { Id: id } = await rig.docker.getImage(image).inspect();
  made.push(image);
  return id;
}

const pull = (image: string, runtime = rig.runtime) =>
  runtime.pull(rig.assign({ image }), () => undefined, rig.signal);
const pulled = (digest: string) => ({ ok: true, value: { image: digest } });
const notFound = { ok: false, refusal: { reason: 'image_not_found' } };

describe('pulling', () => {
  it('fetches by tag, once for all who wait, and tells how far it is', async () => {
    const { name, digest } = await push('team/tool');
    const image = `${name}:v1`;
    const progress: { doneBytes: number; totalBytes: number }[] = [];
    const start = () => rig.runtime.pull(rig.assign({ image }), (step) => progress.push(step), rig.signal);
    expect(await Promise.all([start(), start(), start()])).toEqual([digest, digest, digest].map(pulled));
    for (const step of progress) expect(step.doneBytes).toBeLessThanOrEqual(step.totalBytes);
    const asked = registry.requests.length;
    // What the tag names now is asked once; a tag that moves is another image on the next node only.
    await push('team/tool');
    expect(await pull(image)).toEqual(pulled(digest));
    expect(registry.requests).toHaveLength(asked);
    const seen = await rig.run(rig.assign({ image }));
    expect((await readLog(rig, seen.key)).stdout).toBe('pulled\n');
  });

  it('fetches by digest', async () => {
    const { name, digest } = await push('team/exact');
    expect(await pull(`${name}@${digest}`)).toEqual(pulled(digest));
    const image = `${name}:v9@${digest}`;
    expect(await pull(image)).toEqual(pulled(digest));
    const seen = await rig.run(rig.assign({ image }));
    expect((await readLog(rig, seen.key)).stdout).toBe('pulled\n');
  });

  it('says when there is no such tag, repository or digest', async () => {
    const { name } = await push('team/tool');
    for (const image of [`${name}:v2`, `${name}-other:v1`, `${name}@sha256:${'0'.repeat(64)}`])
      expect(await pull(image)).toMatchObject({
        ...notFound,
        refusal: { message: expect.stringContaining(image.slice(0, 20)) },
      });
  });

  it('ends when nobody waits any more', async () => {
    const { name } = await push('team/slow');
    const stop = new AbortController();
    const waiting = rig.runtime.pull(rig.assign({ image: `${name}:v1` }), () => undefined, stop.signal);
    stop.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
  });
});

describe('an image for other processors', () => {
  const other: Platform = {
    architecture: hostPlatform.architecture === 'arm64' ? 'amd64' : 'arm64',
    os: 'linux',
  };
  const wrong = {
    ok: false,
    refusal: { reason: 'image_wrong_platform', imageRunsOn: [other.architecture] },
  };

  it('is told from the registry, before anything is pulled', async () => {
    await registry.push('team/other', 'v1', other);
    await registry.pushList('team/others', 'v1', [other]);
    await registry.push('team/windows', 'v1', { architecture: hostPlatform.architecture, os: 'windows' });
    expect(await pull(`${registry.base}/team/other:v1`)).toMatchObject(wrong);
    expect(await pull(`${registry.base}/team/others:v1`)).toMatchObject(wrong);
    const windows = await pull(`${registry.base}/team/windows:v1`);
    expect(windows).toMatchObject({ refusal: { reason: 'image_wrong_platform' } });
    expect(windows).not.toHaveProperty('refusal.imageRunsOn');
    expect(await registry.pulledNames(rig.docker)).toEqual([]);
  });

  it('is told from the image where the owner lists it', async () => {
    const name = `${registry.base}/owner/other`;
    await registry.push('owner/other', 'v1', other);
    // The engine takes it without a word where it is no list.
    for await (const _line of await rig.docker.createImage({ fromImage: name, tag: 'v1' }));
    made.push(`${name}:v1`);
    const runtime = createDockerRuntime({ ...rig.options, localImages: readLocalImages([`${name}:v1`]) });
    expect(await pull(`${name}:v1`, runtime)).toMatchObject(wrong);
  });

  it('is no obstacle where a list has one for this engine as well', async () => {
    const digest = await registry.pushList('team/both', 'v1', [other, hostPlatform]);
    expect(await pull(`${registry.base}/team/both:v1`)).toEqual(pulled(digest));
  });
});

describe('the configuration of an image', () => {
  it.each<[string, OddImage]>([
    ['a variable without a name', { config: { Env: ['=x'] } }],
    ['a volume with a long path', { config: { Volumes: { [`/${'v'.repeat(5000)}`]: {} } } }],
    ['layers that it does not list', { top: { rootfs: { type: 'layers', diff_ids: [] } } }],
    ['layers of another content', { diffId: `sha256:${'0'.repeat(64)}` }],
  ])('is judged before anything is made: %s', async (_, odd) => {
    await registry.pushOdd('team/odd', odd);
    expect(await pull(`${registry.base}/team/odd:v1`)).toMatchObject({
      ok: false,
      refusal: { reason: 'image_invalid' },
    });
    expect(await registry.pulledNames(rig.docker)).toEqual([]);
  });

  it('brings nothing to the engine but what a task may use', async () => {
    const config = {
      User: { any: 'thing' },
      Healthcheck: { Test: ['CMD-SHELL', 'touch /tmp/checked'], Interval: 1_000_000 },
      OnBuild: ['RUN x'],
      Labels: { 'capacloud.task': 'stolen', many: 'x'.repeat(100_000) },
      ExposedPorts: { 'no port': {} },
      StopSignal: 'SIGNOTHING',
      Shell: 7,
      StopTimeout: -1,
    };
    await registry.pushOdd('team/plain', { config, top: { created: 'never', history: 'none' } });
    const image = `${registry.base}/team/plain:v1`;
    expect(await pull(image)).toMatchObject({ ok: true });
    const [name = ''] = await registry.pulledNames(rig.docker);
    const { Config: kept } = await rig.docker.getImage(name).inspect();
    expect(kept).toMatchObject({ User: '', Labels: null, OnBuild: null });
    expect(kept).not.toHaveProperty('Healthcheck');
    const seen = await rig.run(rig.assign({ image }));
    expect((await readLog(rig, seen.key)).stdout).toBe('pulled\n');
  });
});

describe('what the owner has on the engine', () => {
  it("is nobody else's, by whatever name", async () => {
    const name = `${registry.base}/owner/private`;
    const id = await own(name);
    const hex = id.slice('sha256:'.length);
    expect(await pull(`${name}:v1`)).toMatchObject(notFound);
    for (const image of [id, hex]) expect(await pull(image)).toMatchObject(notFound);
    // By the grammar these are names on Docker Hub, which has no such images or cannot be reached.
    for (const image of [hex.slice(0, 12), hex.slice(0, 2)])
      expect(await pull(image)).toMatchObject({ ok: false });
    for (const image of [`${name}:v1`, id, hex, hex.slice(0, 12), hex.slice(0, 2)])
      expect(await rig.runtime.prepare(rig.assign({ image }), [], rig.signal)).toMatchObject({
        ok: false,
        refusal: { reason: 'image_pull_failed' },
      });
  });

  it('keeps its tag when an image of that name is pulled', async () => {
    const { name, digest } = await push('team/taken');
    const id = await own(name);
    const image = `${name}:v1`;
    expect(await pull(image)).toEqual(pulled(digest));
    const seen = await rig.run(rig.assign({ image }));
    expect((await readLog(rig, seen.key)).stdout).toBe('pulled\n');
    expect((await rig.docker.getImage(image).inspect()).Id).toBe(id);
  });

  it('may be used where it is listed, and the container is made from its id', async () => {
    const name = `${registry.base}/owner/listed`;
    const id = await own(name);
    const image = `${name}:v1`;
    const localImages = readLocalImages([`${name}:*`]);
    const runtime = createDockerRuntime({ ...rig.options, localImages });
    expect(await pull(image, runtime)).toEqual(pulled(id));
    expect(await pull(id, runtime)).toMatchObject(notFound);
    const assignment = rig.assign({ image });
    expect(await runtime.prepare(assignment, [], rig.signal)).toMatchObject({ ok: true });
    const container = await rig.docker.getContainer(`cc-${assignment.task}-1`).inspect();
    expect([container.Image, container.Config.Image]).toEqual([id, id]);
  });
});

describe('what the agent pulled', () => {
  it('is remembered after a restart, and pulled again when the owner has deleted it', async () => {
    const { name, digest } = await push('team/kept');
    const image = `${name}:v1`;
    await pull(image);
    const restarted = createDockerRuntime(rig.options);
    const asked = registry.requests.length;
    expect(await pull(image, restarted)).toEqual(pulled(digest));
    expect(registry.requests).toHaveLength(asked);
    for (const each of await registry.pulledNames(rig.docker))
      await rig.docker.getImage(each).remove({ force: true });
    expect(await rig.runtime.prepare(rig.assign({ image }), [], rig.signal)).toMatchObject({ ok: false });
    const next = await push('team/kept');
    expect(await pull(image, restarted)).toEqual(pulled(next.digest));
  });

  it('is used under the reference that it was pulled by, and no other', async () => {
    const { name } = await push('team/first');
    await pull(`${name}:v1`);
    const [engineName = ''] = await registry.pulledNames(rig.docker);
    await rig.docker.getImage(engineName).tag({ repo: `${registry.base}/team/second`, tag: 'v1' });
    made.push(`${registry.base}/team/second:v1`);
    expect(await pull(`${registry.base}/team/second:v1`)).toMatchObject(notFound);
    expect(await pull(`${name}:v2`)).toMatchObject(notFound);
    const notes = await readdir(join(rig.options.stateDir, 'pulled-images'));
    expect(notes.filter((note) => !/^[0-9a-f]{64}$/.test(note))).toEqual([]);
  });
});

it('an interrupted run leaves no names of images with its mark, and the rest stays', async () => {
  const id = newRunId();
  const { name } = await push(`${id}/tool`);
  const { name: other } = await push('team/stays');
  await Promise.all([pull(`${name}:v1`), pull(`${other}:v1`), own(`${registry.base}/${id}/own`)]);
  await removeFromEngine(dockerSocket, id, []);
  const images = await rig.docker.listImages();
  const names = images.flatMap(({ RepoTags, RepoDigests }) => [...(RepoTags ?? []), ...(RepoDigests ?? [])]);
  expect(names.filter((each) => each.includes(id))).toEqual([]);
  expect(await registry.pulledNames(rig.docker)).toMatchObject([expect.stringContaining('/team/stays:')]);
});
