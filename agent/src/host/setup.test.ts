import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { resolveConfig } from './config.ts';
import { readKeyFile } from './key-file.ts';
import { setUp } from './setup.ts';
import { askStatus, serveStatus } from './status-socket.ts';

let dir: string;
let configFile: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'capacloud-setup-'));
  configFile = join(dir, 'etc', 'agent.yaml');
});
afterEach(() => rmSync(dir, { recursive: true }));

const flags = { coordinator: 'ws://c:1', 'resources.cpu': '50%', 'ask.cpu_hour': '0.5' };

test('writes a configuration that is read back, and a key that only its owner reads', async () => {
  const done = await setUp({ configFile, flags, force: false, terminal: undefined });
  expect(done).toEqual({
    ok: true,
    value: { configFile, keyFile: join(dir, 'etc', 'agent.key'), keyCreated: true },
  });
  const config = resolveConfig({ file: readFileSync(configFile, 'utf8'), env: {}, flags: {} });
  expect(config.ok && config.value).toMatchObject({
    keyFile: join(dir, 'etc', 'agent.key'),
    resources: { cpu: { kind: 'percent', value: 50 } },
  });
  expect(statSync(join(dir, 'etc', 'agent.key')).mode & 0o777).toBe(0o600);
  expect((await readKeyFile(join(dir, 'etc', 'agent.key'))).ok).toBe(true);
});

test('writes over a configuration only when told to, and over a key never', async () => {
  await setUp({ configFile, flags, force: false, terminal: undefined });
  const key = readFileSync(join(dir, 'etc', 'agent.key'), 'utf8');
  expect(await setUp({ configFile, flags, force: false, terminal: undefined })).toMatchObject({
    ok: false,
    refusal: { code: 'request.conflict' },
  });
  expect(await setUp({ configFile, flags, force: true, terminal: undefined })).toMatchObject({
    ok: true,
    value: { keyCreated: false },
  });
  expect(readFileSync(join(dir, 'etc', 'agent.key'), 'utf8')).toBe(key);
});

test('asks for what is missing, and refuses an answer that is wrong', async () => {
  const input = new PassThrough();
  const output = new PassThrough();
  let asked = '';
  output.on('data', (chunk) => {
    asked += String(chunk);
    if (asked.endsWith('(wss://…): ')) input.write('wss://c.example\n');
    if (asked.endsWith('new key): ')) input.write('\n');
  });
  expect(await setUp({ configFile, flags: {}, force: false, terminal: { input, output } })).toMatchObject({
    ok: true,
  });
  expect(readFileSync(configFile, 'utf8')).toContain('coordinator: wss://c.example');
  expect(
    await setUp({ configFile, flags: { coordinator: 'x' }, force: true, terminal: undefined }),
  ).toMatchObject({ ok: false, refusal: { code: 'config.invalid' } });
});

test.each<[string, string, number, string]>([
  ['others can read', `0x${'1'.repeat(64)}`, 0o644, 'mode 644'],
  ['holds something else', 'secret', 0o600, 'does not hold a private key'],
])('refuses a key file that %s', async (_, text, mode, message) => {
  const file = join(dir, 'key');
  writeFileSync(file, text);
  chmodSync(file, mode);
  const read = await readKeyFile(file);
  expect(read.ok ? '' : read.refusal.message).toContain(message);
  expect(read.ok ? '' : read.refusal.message).not.toContain(text);
});

test('the status socket answers, also where a dead agent left one, and is gone at the end', async () => {
  const path = join(dir, 's.sock');
  writeFileSync(path, '');
  const server = await serveStatus(path, () => ({ is: 'well' }));
  expect(await askStatus(path)).toEqual({ is: 'well' });
  expect(statSync(path).mode & 0o777).toBe(0o660);
  await server.close();
  await expect(askStatus(path)).rejects.toThrow('ENOENT');
  await expect(serveStatus(join(dir, 'x'.repeat(120)), () => ({}))).rejects.toThrow('status socket');
});
