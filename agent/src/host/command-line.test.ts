import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';

const main = fileURLToPath(new URL('../main.ts', import.meta.url));

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'capacloud-cli-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

/** `reader`: what is done with standard output; 'leaves' is `| true`. */
async function agent(args: readonly string[], reader: 'reads' | 'leaves' = 'reads') {
  const child = spawn(process.execPath, ['--conditions=@capacloud/source', main, ...args], {
    cwd: dir,
    env: { PATH: process.env.PATH, NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  let err = '';
  if (reader === 'leaves') child.stdout.destroy();
  else child.stdout.on('data', (part) => (out += part));
  child.stderr.on('data', (part) => (err += part));
  const [status] = (await once(child, 'close')) as [number | null];
  return { status, out, err };
}

const setUp = ['setup', '--config', 'agent.yaml', '--coordinator', 'ws://127.0.0.1:9'];

test('setup takes paths from here, and doctor says its piece to a reader that has left', async () => {
  const { status, out, err } = await agent([...setUp, '--state-dir', 'state']);
  expect({ status, err }).toEqual({ status: 0, err: '' });
  expect(out).toContain(join(dir, 'agent.yaml'));
  expect(existsSync(join(dir, 'agent.key'))).toBe(true);
  const doctor = ['doctor', '--config', 'agent.yaml', '--docker-socket', 'no.sock'];
  const [unread, read] = await Promise.all([agent(doctor, 'leaves'), agent(doctor)]);
  // Nothing listens at the coordinator's address, so it is red whoever reads it.
  expect(unread).toEqual({ status: 1, out: '', err: '' });
  expect(read.out).toContain('FAIL engine');
}, 60_000);

test('what cannot go on is told in one sentence and a hint, by its code', async () => {
  mkdirSync(join(dir, 'text'));
  writeFileSync(join(dir, 'text', 'journal.db'), 'hello\n'.repeat(1000));
  writeFileSync(join(dir, 'key'), `0x${'1'.repeat(64)}\n`, { mode: 0o600 });
  const runs = await Promise.all([
    agent(run('--state-dir', 'text')),
    agent(run('--memory', '16')),
    agent(['doctor', '--config', '.']),
  ]);
  expect(runs.map(({ status }) => status)).toEqual([1, 2, 2]);
  for (const { err } of runs) expect(err).toMatch(/^capacloud-agent: .*\n {2}hint: \S.*\n$/);
  expect(runs.map(({ err }) => /\[(\S+)\]\n$/.exec(err)?.[1])).toEqual([
    'journal_damaged',
    'config.invalid',
    'config.invalid',
  ]);
}, 60_000);

function run(...args: readonly string[]): string[] {
  return ['run', '--coordinator', 'ws://127.0.0.1:9', '--key-file', 'key', ...args];
}
