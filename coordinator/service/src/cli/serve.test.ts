import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { temporaryFolder } from '../testing/workload.ts';

const main = fileURLToPath(new URL('../main.ts', import.meta.url));
let folder: ReturnType<typeof temporaryFolder>;
let children: ChildProcess[];
beforeEach(() => {
  folder = temporaryFolder();
  children = [];
});
afterEach(() => {
  for (const child of children) if (child.exitCode === null) child.kill('SIGKILL');
  folder[Symbol.dispose]();
});

function command(...args: readonly string[]): ChildProcess {
  const child = spawn(process.execPath, ['--conditions=@capacloud/source', main, ...args], {
    env: {
      PATH: process.env.PATH,
      NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
      CAPACLOUD_DATA_DIR: folder.path,
      CAPACLOUD_LISTEN: '127.0.0.1:0',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  return child;
}

/** As `args | true`: nobody reads what it writes. */
async function unread(...args: readonly string[]): Promise<{ status: number | null; err: string }> {
  const child = command(...args);
  let err = '';
  child.stdout?.destroy();
  child.stderr?.on('data', (part) => (err += part));
  const [status] = (await once(child, 'close')) as [number | null];
  return { status, err };
}

async function finished(
  ...args: readonly string[]
): Promise<{ status: number | null; out: string; err: string }> {
  const child = command(...args);
  let out = '';
  let err = '';
  child.stdout?.on('data', (part) => (out += part));
  child.stderr?.on('data', (part) => (err += part));
  const [status] = (await once(child, 'close')) as [number | null];
  return { status, out, err };
}

async function serving(): Promise<{ child: ChildProcess; url: string }> {
  const child = command('serve');
  if (child.stdout === null) throw new Error('no output');
  for await (const line of createInterface({ input: child.stdout })) {
    const { msg, url } = JSON.parse(line) as { msg: string; url?: string };
    if (msg === 'the coordinator is ready' && url !== undefined) {
      child.stdout.resume();
      return { child, url };
    }
  }
  throw new Error('it did not become ready');
}

it('does not start when others can read a secret', async () => {
  const path = join(folder.path, 'image.secret');
  writeFileSync(path, 'secret', { mode: 0o640 });
  const { status, err } = await finished('serve');
  expect({ status, err }).toMatchObject({
    status: 2,
    err: expect.stringContaining(`${path} can be read by others (mode 640). (config.invalid)`),
  });
  expect(err).toContain(`hint: If nobody else has used this machine: chmod 600 ${path}`);
});

it('closes a database that others could read', async () => {
  const { child } = await serving();
  child.kill('SIGKILL');
  await once(child, 'close');
  chmodSync(join(folder.path, 'coordinator.db'), 0o644);
  chmodSync(join(folder.path, 'coordinator.db-wal'), 0o644);
  const again = await serving();
  for (const file of readdirSync(folder.path))
    expect([file, statSync(join(folder.path, file)).mode & 0o077]).toEqual([file, 0]);
  again.child.kill('SIGTERM');
  await once(again.child, 'close');
});

it('serves, gives keys out, drains on SIGTERM and comes back the same', async () => {
  const { child, url } = await serving();
  expect((await fetch(`${url}/readyz`)).status).toBe(200);
  const keyPath = join(folder.path, 'operator.key');
  for (const file of readdirSync(folder.path)) expect(statSync(join(folder.path, file)).mode & 0o077).toBe(0);
  const headers = { authorization: `Bearer ${readFileSync(keyPath, 'utf8').trim()}` };
  const before = await (await fetch(`${url}/v1/state-hash`, { headers })).json();

  const second = await finished('serve');
  expect(second).toMatchObject({ status: 1, err: expect.stringContaining('log.in_use') });
  const created = await finished('keys', 'create', 'ci', '--url', url);
  expect(JSON.parse(created.out)).toMatchObject({ name: 'ci', secret: expect.stringMatching(/^cck_/) });
  const listed = await finished('keys', 'list', '--url', url);
  expect((JSON.parse(listed.out) as { items: unknown[] }).items).toHaveLength(2);
  const { id } = JSON.parse(created.out) as { id: string };
  expect(await finished('keys', 'revoke', id, '--url', url)).toMatchObject({ status: 0 });
  expect(await finished('keys', 'revoke', 'key_aaaaaaaaaaaa', '--url', url)).toMatchObject({
    status: 1,
    err: expect.stringContaining('request.not_found'),
  });
  expect(JSON.parse((await finished('state-hash')).out)).toMatchObject(before as object);
  expect(await unread('state-hash')).toEqual({ status: 0, err: '' });

  child.kill('SIGTERM');
  expect(await once(child, 'exit')).toEqual([0, null]);
  const again = await serving();
  expect(await (await fetch(`${again.url}/v1/state-hash`, { headers })).json()).toEqual(before);
  again.child.kill('SIGTERM');
  await once(again.child, 'exit');
}, 60_000);

it.each([
  [['serve', '--listen', 'nowhere'], 2, 'config.invalid'],
  [['serve', '--config', '/does/not/exist.yaml'], 2, 'There is no file'],
  [['serv'], 2, 'Did you mean serve?'],
  [['keys', 'list'], 4, 'auth.missing'],
  [['state-hash'], 1, 'There is no log'],
] as const)('%j ends with status %i and says why', async (args, status, text) => {
  const result = await finished(...args);
  expect(result.status).toBe(status);
  expect(result.err).toContain(text);
});
