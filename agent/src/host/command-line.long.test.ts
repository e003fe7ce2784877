import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { askStatus } from './status-socket.ts';
import { type AgentStatus, statusText } from './status-text.ts';

const main = fileURLToPath(new URL('../main.ts', import.meta.url));

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'capacloud-run-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

async function agent(args: readonly string[]) {
  const child = spawn(process.execPath, ['--conditions=@capacloud/source', main, ...args], {
    cwd: dir,
    env: { PATH: process.env.PATH, NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let err = '';
  child.stdout.resume();
  child.stderr.on('data', (part) => (err += part));
  const [status] = (await once(child, 'close')) as [number | null];
  return { status, err };
}

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
});

function run(...args: readonly string[]): string[] {
  return ['run', '--coordinator', 'ws://127.0.0.1:9', '--key-file', 'key', ...args];
}
