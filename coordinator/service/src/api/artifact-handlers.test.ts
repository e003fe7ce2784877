import { createHash, randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { type JobId, taskIdOf } from '@capacloud/protocol/ids';
import type { ArtifactView, JobView, OwnedArtifactView } from '@capacloud/protocol/routes/views';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { agentToken, startCoordinator, type TestCoordinator } from '../testing/test-coordinator.ts';

let coordinator: TestCoordinator;
let eve: string;
beforeAll(async () => {
  coordinator = await startCoordinator({ config: { accountArtifactBytes: 2 ** 20 } });
  eve = await coordinator.addKey('acc_eve' as never, 'consumer');
  await coordinator.connectNode();
});
afterAll(() => coordinator.close());

const hashOf = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const octets = { 'content-type': 'application/octet-stream' };

function announce(bytes: Uint8Array, key?: string, size = bytes.length, sha256 = hashOf(bytes)) {
  return coordinator.call('POST', '/v1/artifacts', { key, json: { sha256, size_bytes: size } });
}
function append(sha256: string, offset: number, bytes: Uint8Array<ArrayBuffer>, key?: string) {
  const headers = { ...octets, 'upload-offset': `${offset}` };
  return coordinator.call('PATCH', `/v1/artifacts/${sha256}`, { key, body: bytes, headers });
}
async function upload(bytes: Uint8Array<ArrayBuffer>, key?: string): Promise<string> {
  expect((await announce(bytes, key)).status).toBe(200);
  const response = await append(hashOf(bytes), 0, bytes, key);
  expect(await response.json()).toMatchObject({ complete: true });
  return hashOf(bytes);
}
interface Stored {
  readonly items: readonly OwnedArtifactView[];
  readonly used_bytes: number;
  readonly quota_bytes: number;
}
/** All that the consumer has, in pages of two. */
async function stored(): Promise<Stored> {
  const items: OwnedArtifactView[] = [];
  for (let cursor = ''; ; ) {
    const response = await coordinator.call('GET', `/v1/artifacts?limit=2${cursor}`);
    const page = (await response.json()) as Stored & { readonly next?: string };
    items.push(...page.items);
    if (page.next === undefined) return { ...page, items };
    cursor = `&cursor=${page.next}`;
  }
}
const some = (length: number): Uint8Array<ArrayBuffer> => new Uint8Array(randomBytes(length));

it('takes an upload in pieces and gives it back', async () => {
  const bytes = some(1000);
  const sha256 = hashOf(bytes);
  expect(await (await announce(bytes)).json()).toEqual({
    sha256,
    size_bytes: 1000,
    offset: 0,
    complete: false,
  });
  expect(await (await append(sha256, 0, bytes.slice(0, 400))).json()).toMatchObject({ offset: 400 });
  const early = await coordinator.call('GET', `/v1/artifacts/${sha256}`);
  expect([early.status, await early.json()]).toMatchObject([409, { code: 'artifact.incomplete' }]);
  const wrong = await append(sha256, 100, bytes.slice(100));
  expect(wrong.headers.get('upload-offset')).toBe('400');
  expect([wrong.status, await wrong.json()]).toMatchObject([
    409,
    { code: 'artifact.offset_mismatch', offset: 400 },
  ]);
  expect(await (await append(sha256, 400, bytes.slice(400))).json()).toMatchObject({ complete: true });
  const got = await coordinator.call('GET', `/v1/artifacts/${sha256}`);
  expect(new Uint8Array(await got.arrayBuffer())).toEqual(bytes);
  expect(got.headers.get('repr-digest')).toBe(`sha-256=:${Buffer.from(sha256, 'hex').toString('base64')}:`);
  const status = await coordinator.call('GET', `/v1/artifacts/${sha256}/status`);
  expect(await status.json()).toMatchObject({ complete: true, offset: 1000 });
  expect(await (await announce(bytes)).json()).toMatchObject({ complete: true });
});

it('answers ranges', async () => {
  const bytes = some(100);
  const sha256 = await upload(bytes);
  const range = async (range: string, more: Record<string, string> = {}) => {
    const response = await coordinator.call('GET', `/v1/artifacts/${sha256}`, {
      headers: { range, ...more },
    });
    return [
      response.status,
      response.headers.get('content-range'),
      (await response.arrayBuffer()).byteLength,
    ];
  };
  expect(await range('bytes=10-19')).toEqual([206, 'bytes 10-19/100', 10]);
  expect(await range('bytes=90-')).toEqual([206, 'bytes 90-99/100', 10]);
  expect(await range('bytes=-5')).toEqual([206, 'bytes 95-99/100', 5]);
  expect((await range('bytes=100-'))[0]).toBe(416);
  expect(await range('bytes=10-19', { 'if-range': `"${sha256}"` })).toEqual([206, 'bytes 10-19/100', 10]);
  expect(await range('bytes=10-19', { 'if-range': '"other"' })).toEqual([200, null, 100]);
  const head = await coordinator.call('HEAD', `/v1/artifacts/${sha256}`);
  expect([head.status, head.headers.get('content-length')]).toEqual([200, '100']);
});

it('keeps what came before a connection broke, and goes on from there', async () => {
  const bytes = some(200_000);
  const sha256 = hashOf(bytes);
  await announce(bytes);
  await new Promise<void>((resolve, reject) => {
    const sent = request(`${coordinator.url}/v1/artifacts/${sha256}`, {
      method: 'PATCH',
      headers: {
        ...octets,
        authorization: `Bearer ${coordinator.consumerKey}`,
        'upload-offset': '0',
        'content-length': '200000',
      },
    });
    sent.on('error', () => resolve());
    sent.write(bytes.slice(0, 150_000), (error) => {
      if (error) reject(error);
    });
    const arrived = async (): Promise<boolean> => {
      const status = await coordinator.call('GET', `/v1/artifacts/${sha256}/status`);
      return ((await status.json()) as ArtifactView).offset === 150_000;
    };
    void expect
      .poll(arrived)
      .toBe(true)
      .then(() => sent.destroy(), reject);
  });
  const rest = async () => (await append(sha256, 150_000, bytes.slice(150_000))).json();
  await expect.poll(rest).toMatchObject({ complete: true });
  const got = await coordinator.call('GET', `/v1/artifacts/${sha256}`);
  expect(hashOf(new Uint8Array(await got.arrayBuffer()))).toBe(sha256);
});

it('discards bytes that do not have the hash', async () => {
  const bytes = some(50);
  const sha256 = hashOf(bytes);
  await announce(bytes);
  const response = await append(sha256, 0, some(50));
  expect([response.status, await response.json()]).toMatchObject([422, { code: 'artifact.hash_mismatch' }]);
  expect((await coordinator.call('GET', `/v1/artifacts/${sha256}/status`)).status).toBe(404);
  expect(await upload(bytes)).toBe(sha256);
});

it('refuses more bytes than were announced and keeps none of them', async () => {
  const bytes = some(50);
  await announce(bytes);
  const response = await append(hashOf(bytes), 0, some(51));
  expect([response.status, await response.json()]).toMatchObject([413, { code: 'request.too_large' }]);
  expect(await (await announce(bytes)).json()).toMatchObject({ offset: 0 });
});

it('gives nobody the bytes for knowing their hash', async () => {
  const bytes = some(64);
  const sha256 = await upload(bytes);
  expect((await coordinator.call('GET', `/v1/artifacts/${sha256}`, { key: eve })).status).toBe(404);
  expect(await (await announce(bytes, eve)).json()).toMatchObject({ offset: 0, complete: false });
  expect((await coordinator.call('GET', `/v1/artifacts/${sha256}`, { key: eve })).status).toBe(409);
  const response = await append(sha256, 0, bytes, eve);
  expect(await response.json()).toMatchObject({ complete: true });
  expect((await coordinator.call('GET', `/v1/artifacts/${sha256}`, { key: eve })).status).toBe(200);
});

it('keeps two accounts that upload the same file at once apart', async () => {
  const bytes = some(3000);
  const sha256 = hashOf(bytes);
  await Promise.all([announce(bytes), announce(bytes, eve)]);
  await Promise.all([append(sha256, 0, bytes.slice(0, 1000)), append(sha256, 0, bytes.slice(0, 2000), eve)]);
  const ends = await Promise.all([
    append(sha256, 1000, bytes.slice(1000)),
    append(sha256, 2000, bytes.slice(2000), eve),
  ]);
  for (const end of ends) expect(await end.json()).toMatchObject({ complete: true });
});

it('takes the empty file', async () => {
  const bytes = new Uint8Array();
  expect(await (await announce(bytes)).json()).toMatchObject({ complete: true });
  const got = await coordinator.call('GET', `/v1/artifacts/${hashOf(bytes)}`);
  expect([got.status, (await got.arrayBuffer()).byteLength]).toEqual([200, 0]);
  const lie = await announce(bytes, undefined, 0, 'a'.repeat(64));
  expect(lie.status).toBe(409);
});

it('holds accounts to their quota, what has come of uploads under way included', async () => {
  const key = await coordinator.addKey('acc_quota' as never, 'consumer');
  const [one, two, three] = [some(600_000), some(600_000), some(600_000)];
  // Both may begin; the one whose chunk comes first has the room.
  for (const bytes of [one, two]) expect((await announce(bytes, key)).status).toBe(200);
  expect((await append(hashOf(one), 0, one.slice(0, 500_000), key)).status).toBe(200);
  const second = await append(hashOf(two), 0, two, key);
  expect([second.status, await second.json()]).toMatchObject([413, { code: 'artifact.quota_exceeded' }]);
  const third = await announce(three, key);
  expect([third.status, await third.json()]).toMatchObject([413, { code: 'artifact.quota_exceeded' }]);
  expect((await append(hashOf(one), 500_000, one.slice(500_000), key)).status).toBe(200);
  const huge = await announce(some(1), key, 2 ** 40);
  expect(await huge.json()).toMatchObject({ code: 'request.too_large' });
  const conflict = await announce(some(600_000), key, 10);
  expect(conflict.status).toBe(200);
});

it('gives an account up what it no longer needs, but not under a live job', async () => {
  const bytes = some(70);
  const sha256 = await upload(bytes);
  const response = await coordinator.call('POST', '/v1/jobs', {
    json: {
      version: '1',
      image: 'busybox',
      inputs: [{ source: `artifact:${sha256}`, target: '/in/data' }],
      resources: { cpu: 4000 },
    },
    headers: { 'idempotency-key': 'input' },
  });
  const job = (await response.json()) as JobView;
  expect(response.status).toBe(201);
  const path = `/v1/artifacts/${sha256}`;
  expect((await coordinator.call('DELETE', path)).status).toBe(409);
  await coordinator.call('POST', `/v1/jobs/${job.id}/cancel`);
  expect((await coordinator.call('DELETE', path)).status).toBe(204);
  expect((await coordinator.call('GET', path)).status).toBe(404);
  expect((await coordinator.call('DELETE', path)).status).toBe(404);
});

it('lets a node read the inputs of its attempts only, and the consumer read the outputs', async () => {
  const input = await upload(some(80));
  const unrelated = await upload(some(80));
  const response = await coordinator.call('POST', '/v1/jobs', {
    json: {
      version: '1',
      image: 'busybox',
      inputs: [{ source: `artifact:${input}`, target: '/in/data' }],
      outputs: [{ path: '/out' }],
    },
    headers: { 'idempotency-key': 'outputs' },
  });
  const { id } = (await response.json()) as JobView;
  const task = taskIdOf(id as JobId, 0);
  await expect.poll(async () => (await coordinator.store.reads.getTask(task))?.state).toBe('assigned');
  expect((await coordinator.call('GET', `/v1/artifacts/${input}`, { key: agentToken })).status).toBe(200);
  expect((await coordinator.call('GET', `/v1/artifacts/${unrelated}`, { key: agentToken })).status).toBe(404);
  const result = some(90);
  const sha256 = await upload(result, agentToken);
  expect((await coordinator.call('GET', `/v1/artifacts/${sha256}`)).status).toBe(404);
  await coordinator.progress(task, 1, 'running');
  await coordinator.finish(task, 1, {
    outputs: [{ path: '/out/r', sha256: sha256 as never, sizeBytes: 90 }],
  });
  const got = await coordinator.call('GET', `/v1/artifacts/${sha256}`);
  expect(new Uint8Array(await got.arrayBuffer())).toEqual(result);
  const shown = await coordinator.call('GET', `/v1/tasks/${task}`);
  expect(await shown.json()).toMatchObject({ state: 'succeeded', outputs: [{ path: '/out/r', sha256 }] });
  expect((await coordinator.call('GET', `/v1/artifacts/${input}`, { key: agentToken })).status).toBe(404);
  // What is stored, page by page, and rid of with its job. The input was uploaded for itself as well.
  const before = await stored();
  expect(before.items).toContainEqual(expect.objectContaining({ sha256, size_bytes: 90, jobs: [id] }));
  const freed = await coordinator.call('DELETE', `/v1/jobs/${id}/artifacts`);
  const { artifacts, freed_bytes } = (await freed.json()) as { artifacts: number; freed_bytes: number };
  expect([freed.status, artifacts]).toEqual([200, 2]);
  // The text of its spec goes with it.
  expect(freed_bytes).toBeGreaterThan(90);
  const after = await stored();
  expect([before.used_bytes - after.used_bytes, after.quota_bytes]).toEqual([freed_bytes, 2 ** 20]);
  expect(after.items.map((item) => item.sha256)).toContain(input);
  expect((await coordinator.call('GET', `/v1/artifacts/${sha256}`)).status).toBe(404);
});

it('lets a node bring an input of its task as an output too, by its bytes', async () => {
  const bytes = some(70);
  const input = await upload(bytes);
  const response = await coordinator.call('POST', '/v1/jobs', {
    json: {
      version: '1',
      image: 'busybox',
      inputs: [{ source: `artifact:${input}`, target: '/in/data' }],
      outputs: [{ path: '/out' }],
    },
    headers: { 'idempotency-key': 'copied' },
  });
  const { id } = (await response.json()) as JobView;
  const task = taskIdOf(id as JobId, 0);
  await expect.poll(async () => (await coordinator.store.reads.getTask(task))?.state).toBe('assigned');
  expect(await (await announce(bytes, agentToken)).json()).toMatchObject({ offset: 0, complete: false });
  expect(await (await append(input, 0, bytes, agentToken)).json()).toMatchObject({ complete: true });
  expect(await coordinator.store.artifacts.hasBrought({ task, attempt: 1 }, input as never)).toBe(true);
  await coordinator.finish(task, 1, { outputs: [{ path: '/out/r', sha256: input as never, sizeBytes: 70 }] });
});

it('leaves nothing half-written behind', async () => {
  const content = await readdir(join(coordinator.dataDir, 'artifacts', 'content'), { recursive: true });
  const files = content.filter((name) => /[0-9a-f]{64}$/.test(name));
  expect(files.length).toBeGreaterThan(5);
});

it('wants a length, and chunks within the limit', async () => {
  const bytes = some(10);
  await announce(bytes);
  const path = `/v1/artifacts/${hashOf(bytes)}`;
  const stream = new ReadableStream({
    start(controller) {
      controller.enqueue(bytes);
      controller.close();
    },
  });
  const headers = { ...octets, 'upload-offset': '0', authorization: `Bearer ${coordinator.consumerKey}` };
  const unsized = await fetch(`${coordinator.url}${path}`, {
    method: 'PATCH',
    headers,
    body: stream,
    duplex: 'half',
  } as RequestInit);
  expect(await unsized.json()).toMatchObject({ code: 'request.malformed' });
  const large = await append(hashOf(bytes), 0, some(5 * 2 ** 20));
  expect(await large.json()).toMatchObject({ code: 'request.too_large' });
  const text = await coordinator.call('PATCH', path, { json: {}, headers: { 'upload-offset': '0' } });
  expect([text.status, await text.json()]).toMatchObject([415, { code: 'request.unsupported_media_type' }]);
});
