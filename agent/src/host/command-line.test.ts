import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
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
