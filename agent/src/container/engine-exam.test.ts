import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { examEngine } from './engine-exam.ts';

let dir: string;
let engine: Server;
let removed: string[];

beforeEach(async () => {
  removed = [];
  dir = await mkdtemp(join(tmpdir(), 'capacloud-exam-'));
  const nowSeconds = Math.floor(Date.now() / 1000);
  const containers = [
    { Id: 'a', Created: nowSeconds - 3600 },
    { Id: 'b', Created: nowSeconds - 10 },
  ];
  engine = createServer(({ method, url = '' }, response) => {
    if (method === 'DELETE') {
      removed.push(url.split('?')[0] ?? '');
      response.writeHead(204).end();
    } else if (url.startsWith('/containers/json')) response.end(JSON.stringify(containers));
    else response.writeHead(url.startsWith('/containers/') ? 404 : 500).end('{"message":"no"}');
  });
  await new Promise<void>((resolve) => engine.listen(join(dir, 'engine.sock'), resolve));
});
afterEach(async () => {
  engine.closeAllConnections();
  await new Promise((resolve) => engine.close(resolve));
  await rm(dir, { recursive: true });
});

test('containers of checks that were killed are removed, and those of other agents that check now are not', async () => {
  const exam = examEngine(join(dir, 'engine.sock'));
  await expect(exam.tryGpus(['GPU-1'], AbortSignal.timeout(10_000))).rejects.toThrow(/HTTP code 500/);
  expect(removed).toEqual(['/containers/a']);
});
