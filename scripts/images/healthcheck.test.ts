import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';

const script = fileURLToPath(new URL('./healthcheck.mjs', import.meta.url));

async function listen(statusOf: (path: string | undefined) => number): Promise<number> {
  const server = createServer((request, response) => response.writeHead(statusOf(request.url)).end());
  onTestFinished(() => void server.close());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

function check(listenAddress: string): Promise<{ status: number | null; errors: string }> {
  const child = spawn(process.execPath, [script], {
    env: { CAPACLOUD_LISTEN: listenAddress },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString();
  });
  return new Promise((resolve) => child.once('close', (status) => resolve({ status, errors })));
}

test('is content with a coordinator that answers, on whatever port it listens', async () => {
  const port = await listen((path) => (path === '/healthz' ? 200 : 404));
  expect(await check(`0.0.0.0:${port}`)).toEqual({ status: 0, errors: '' });
});

test('is not content with an error, or with no answer', async () => {
  const port = await listen(() => 500);
  expect(await check(`0.0.0.0:${port}`)).toEqual({ status: 1, errors: 'unhealthy: status 500\n' });
  expect(await check('0.0.0.0:1')).toMatchObject({
    status: 1,
    errors: expect.stringContaining('unhealthy:'),
  });
});
