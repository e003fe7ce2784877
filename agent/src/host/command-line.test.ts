import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { askStatus } from './status-socket.ts';
import { type AgentStatus, statusText } from './status-text.ts';

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
  // Nothing listens at the coordinator's address, so it is red whoever reads it.
  expect(await agent(doctor, 'leaves')).toEqual({ status: 1, out: '', err: '' });
  expect((await agent(doctor)).out).toContain('FAIL engine');
}, 60_000);

test('what cannot go on is told in one sentence and a hint, by its code', async () => {
  mkdirSync(join(dir, 'text'));
  writeFileSync(join(dir, 'text', 'journal.db'), 'hello\n'.repeat(1000));
  writeFileSync(join(dir, 'key'), `0x${'1'.repeat(64)}\n`, { mode: 0o600 });
  const runs = [
    await agent(run('--state-dir', 'text')),
    await agent(run('--memory', '16')),
    await agent(['doctor', '--config', '.']),
  ];
  expect(runs.map(({ status }) => status)).toEqual([1, 2, 2]);
  for (const { err } of runs) expect(err).toMatch(/^capacloud-agent: .*\n {2}hint: \S.*\n$/);
  expect(runs.map(({ err }) => /\[(\S+)\]\n$/.exec(err)?.[1])).toEqual([
    'journal_damaged',
    'config.invalid',
    'config.invalid',
  ]);
}, 60_000);

test('run takes no work while a check is red, and status says which and what to do', async () => {
  writeFileSync(join(dir, 'key'), `0x${'1'.repeat(64)}\n`, { mode: 0o600 });
  const args = run('--state-dir', 'state', '--docker-socket', 'none.sock');
  const child = spawn(process.execPath, ['--conditions=@capacloud/source', main, ...args], {
    cwd: dir,
    env: { PATH: process.env.PATH, NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE },
    stdio: 'ignore',
  });
  try {
    const status = () =>
      askStatus(join(dir, 'state', 'agent.sock')).then(
        (answer) => answer as AgentStatus,
        () => undefined,
      );
    await expect
      .poll(async () => (await status())?.checks, { timeout: 60_000 })
      .toContainEqual(expect.objectContaining({ id: 'engine', ok: false }));
    const answer = await status();
    if (answer === undefined) throw new Error('no answer');
    expect(answer.accepting).toBe(false);
    expect(statusText(answer)).toMatch(
      /new work {3}not accepted\n {11}red: engine: .*\n {13}to mend it: Start Docker/,
    );
  } finally {
    child.kill('SIGTERM');
    await once(child, 'exit');
  }
}, 90_000);

function run(...args: readonly string[]): string[] {
  return ['run', '--coordinator', 'ws://127.0.0.1:9', '--key-file', 'key', ...args];
}
