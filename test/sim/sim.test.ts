import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const root = join(import.meta.dirname, '..', '..');
const run = promisify(execFile);

/** In processes of their own: a simulation replaces the clock of its thread. */
async function simulate(...args: readonly string[]): Promise<string> {
  const script = join(root, 'scripts', 'sim.ts');
  const argv = ['--conditions=@capacloud/source', script, ...args];
  // A failing run tells its seed on both channels, and the error that execFile throws holds them.
  return (await run(process.execPath, argv, { cwd: root, maxBuffer: 64 * 2 ** 20 })).stdout;
}

it('lives through the first seeds', async () => {
  const told = await simulate('--seeds', '20');
  expect(told).toMatch(/failures +0\n/);
  expect(told).toMatch(/run twice +[1-9][0-9]* seeds, 0 non-deterministic/);
  expect(told).toMatch(/tasks +[1-9][0-9,]* succeeded/);
});

it('gives one seed the same trace in another process', async () => {
  const hash = /hash of the trace: ([0-9a-f]{16})/;
  const [one, other] = await Promise.all([simulate('--seed', '4'), simulate('--seed', '4')]);
  expect(hash.exec(one)?.[1]).toBeDefined();
  expect(hash.exec(one)?.[1]).toBe(hash.exec(other)?.[1]);
});
