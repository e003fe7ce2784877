import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { jobIdFrom, type NodeId, taskIdOf } from '@capacloud/protocol/ids';
import { pack } from 'tar-stream';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openEngine } from '../engine/engine.ts';
import { ImageProbe } from './image-probe.ts';

let dir: string;
let engine: Server;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'capacloud-probe-'));
});
afterEach(async () => {
  engine.closeAllConnections();
  await new Promise((resolve) => engine.close(resolve));
  await rm(dir, { recursive: true });
});

/** A tar of one file, without the two blocks that end an archive. */
async function archiveOf(name: string, content: Buffer): Promise<Buffer> {
  const archive = pack();
  archive.entry({ name, mtime: new Date(0) }, content);
  archive.finalize();
  const parts: Buffer[] = [];
  for await (const part of archive as AsyncIterable<Buffer>) parts.push(part);
  return Buffer.concat(parts).subarray(0, -1024);
}

/** Of a folder that holds a folder `set`, with files of `fileBytes` zeros, without end. */
async function* endlessArchive(fileBytes: number): AsyncGenerator<Buffer> {
  const content = Buffer.alloc(fileBytes);
  for (let index = 0; ; index++) yield await archiveOf(`set/${index}`, content);
}

async function serve(fileBytes: number): Promise<ImageProbe> {
  const folder = Buffer.from(JSON.stringify({ mode: 2 ** 31 + 0o755, size: 0 })).toString('base64');
  engine = createServer((request, response) => {
    if (request.method === 'POST') return response.writeHead(201).end('{"Id":"a"}');
    response.setHeader('x-docker-container-path-stat', folder);
    if (request.method === 'HEAD') return response.end();
    Readable.from(endlessArchive(fileBytes))
      .on('error', () => undefined)
      .pipe(response);
  });
  const socketPath = join(dir, 'engine.sock');
  await new Promise<void>((resolve) => engine.listen(socketPath, resolve));
  const owner = { node: `node_${'0'.repeat(40)}` as NodeId, coordinator: 'c' };
  const key = { task: taskIdOf(jobIdFrom(Buffer.alloc(20)), 0), attempt: 1 };
  return new ImageProbe(openEngine(socketPath), owner, key, { id: 'sha256:a', volumes: [] });
}

test.each([
  ['many small files', 0],
  ['large files', 2 ** 20],
])('a folder is known to be filled long before all that it holds was read: %s', async (_, fileBytes) => {
  const probe = await serve(fileBytes);
  expect(await probe.namesIn('/data', AbortSignal.timeout(15_000))).toEqual(['set']);
});
