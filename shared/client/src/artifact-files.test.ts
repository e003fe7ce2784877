import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Sha256Hex } from '@capacloud/protocol/ids';
import { apiLimits } from '@capacloud/protocol/routes/routes';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { downloadArtifact, uploadArtifact } from './artifact-files.ts';
import { createClient } from './client.ts';
import { broken, json, problem, ScriptedServer, text } from './testing/scripted-server.ts';

let server: ScriptedServer;
let folder: string;
beforeEach(async () => {
  server = await ScriptedServer.start();
  folder = await mkdtemp(join(tmpdir(), 'capacloud-files-'));
});
afterEach(async () => {
  await server.stop();
  await rm(folder, { recursive: true });
});

const fast = { pauseMs: 1 };
const clientOf = () => createClient({ baseUrl: server.url, apiKey: 'cck_x', maxTries: 1 });
const hashOf = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex') as Sha256Hex;

describe('uploadArtifact', () => {
  const size = apiLimits.artifactChunkBytes + 1000;
  const bytes = Buffer.alloc(size, 'abcdefg');
  const sha256 = hashOf(bytes);
  const view = (offset: number) => json({ sha256, size_bytes: size, offset, complete: offset === size });
  let path: string;
  beforeEach(async () => {
    path = join(folder, 'input');
    await writeFile(path, bytes);
  });

  test('goes on from where the coordinator says, when the connection broke in the middle', async () => {
    server
      .on('POST /v1/artifacts', view(0), view(1000), view(apiLimits.artifactChunkBytes))
      .on(`PATCH /v1/artifacts/${sha256}`, broken(), problem('artifact.offset_mismatch'), view(size));
    const seen: number[] = [];
    const done = await uploadArtifact(clientOf(), path, {
      ...fast,
      onProgress: (offset) => seen.push(offset),
    });
    expect(done.complete).toBe(true);
    const chunks = server.requests(`PATCH /v1/artifacts/${sha256}`);
    expect(chunks.map(({ headers, body }) => [headers['upload-offset'], body.length])).toEqual([
      ['0', apiLimits.artifactChunkBytes],
      ['1000', apiLimits.artifactChunkBytes],
      [String(apiLimits.artifactChunkBytes), 1000],
    ]);
    expect(chunks[1]?.body.equals(bytes.subarray(1000))).toBe(true);
    expect(chunks[0]?.headers['content-type']).toBe('application/octet-stream');
    expect(seen).toEqual([0, 1000, apiLimits.artifactChunkBytes, size]);
  });

  test('announces again what is there and was never checked', async () => {
    const unchecked = json({ sha256, size_bytes: size, offset: size, complete: false });
    server.on('POST /v1/artifacts', unchecked, unchecked, view(size));
    expect(await uploadArtifact(clientOf(), path, fast)).toMatchObject({ complete: true });
    expect(server.seen).toHaveLength(3);
  });

  test('sends nothing that is there already', async () => {
    server.on('POST /v1/artifacts', view(size));
    await uploadArtifact(clientOf(), path);
    expect(server.seen).toHaveLength(1);
    expect(JSON.parse(server.seen[0]?.body.toString() ?? '')).toEqual({ sha256, size_bytes: size });
  });

  test.each([
    ['keeps nothing', view(0), 'keeps none'],
    ['is never there', broken(), 'did not answer'],
  ] as const)('gives up on a coordinator that %s', async (_, reply, message) => {
    server.on('POST /v1/artifacts', view(0)).on(`PATCH /v1/artifacts/${sha256}`, reply);
    await expect(uploadArtifact(clientOf(), path, fast)).rejects.toThrow(message);
    expect(server.seen.length).toBeLessThan(20);
  });

  test('does not read beyond the file for a coordinator that asks for it', async () => {
    server.on('POST /v1/artifacts', json({ sha256, size_bytes: size, offset: size + 5, complete: false }));
    await expect(uploadArtifact(clientOf(), path, fast)).rejects.toThrow('asks for byte');
  });

  test('a refusal is final', async () => {
    server
      .on('POST /v1/artifacts', view(0))
      .on(`PATCH /v1/artifacts/${sha256}`, problem('artifact.hash_mismatch'));
    await expect(uploadArtifact(clientOf(), path, fast)).rejects.toMatchObject({
      code: 'artifact.hash_mismatch',
    });
    expect(server.requests(`PATCH /v1/artifacts/${sha256}`)).toHaveLength(1);
  });
});

describe('downloadArtifact', () => {
  const bytes = Buffer.from('the quick brown fox jumps over the lazy dog');
  const artifact = { sha256: hashOf(bytes), sizeBytes: bytes.length };
  const route = `GET /v1/artifacts/${artifact.sha256}`;
  const rest = text(bytes.subarray(10), 206);
  const files = () => readdir(folder, { recursive: true });
  let path: string;
  beforeEach(() => {
    path = join(folder, 'out', 'file');
  });

  test('asks for the rest when the connection broke in the middle', async () => {
    server.on(route, broken(bytes.subarray(0, 10), bytes.length), problem('service.draining'), rest);
    const seen: number[] = [];
    await downloadArtifact(clientOf(), artifact, path, { ...fast, onProgress: (done) => seen.push(done) });
    expect(await readFile(path)).toEqual(bytes);
    expect(server.seen.map(({ headers }) => headers.range)).toEqual([undefined, 'bytes=10-', 'bytes=10-']);
    expect(seen.at(-1)).toBe(bytes.length);
    expect(await files()).toEqual(['out', 'out/file']);
  });

  test('starts over when the answer is not the range that was asked for', async () => {
    server.on(route, broken(bytes.subarray(0, 10), bytes.length), text(bytes));
    await downloadArtifact(clientOf(), artifact, path, fast);
    expect(await readFile(path)).toEqual(bytes);
  });

  test('does not download again what is there', async () => {
    server.on(route, text(bytes));
    await downloadArtifact(clientOf(), artifact, path, fast);
    await downloadArtifact(clientOf(), artifact, path, fast);
    expect(server.seen).toHaveLength(1);
  });

  test('replaces a file of the same size with other bytes', async () => {
    await mkdir(join(folder, 'out'));
    await writeFile(path, Buffer.alloc(bytes.length));
    server.on(route, text(bytes));
    await downloadArtifact(clientOf(), artifact, path, fast);
    expect(await readFile(path)).toEqual(bytes);
  });

  test('takes an empty artifact', async () => {
    const empty = { sha256: hashOf(Buffer.alloc(0)), sizeBytes: 0 };
    await downloadArtifact(clientOf(), empty, path, fast);
    expect(await readFile(path)).toHaveLength(0);
  });

  test.each([
    ['other bytes', text(Buffer.alloc(bytes.length, 'x'))],
    ['too many bytes', text(Buffer.concat([bytes, bytes]))],
  ] as const)('leaves nothing of %s', async (_, reply) => {
    server.on(route, reply);
    await expect(downloadArtifact(clientOf(), artifact, path, fast)).rejects.toMatchObject({
      code: 'artifact.hash_mismatch',
    });
    await expect(readFile(path)).rejects.toThrow('ENOENT');
    for (const name of await files())
      if (name.endsWith('.part')) expect(await readFile(join(folder, name))).toHaveLength(0);
    expect(server.seen).toHaveLength(1);
  });

  test('gives up on answers that always end early, without going round for ever', async () => {
    server.on(route, broken('', bytes.length));
    await expect(downloadArtifact(clientOf(), artifact, path, fast)).rejects.toThrow();
    expect(server.seen.length).toBeLessThan(10);
  });

  test('says at once that it cannot write', async () => {
    await writeFile(join(folder, 'out'), 'a file where a folder should be');
    await expect(downloadArtifact(clientOf(), artifact, path, fast)).rejects.toMatchObject({
      code: expect.stringMatching(/ENOTDIR|EEXIST/) as string,
    });
    expect(server.seen).toHaveLength(0);
  });
});
