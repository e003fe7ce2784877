import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const root = join(import.meta.dirname, '..', '..');

it('lives through minutes of seeds that no short run comes to', async () => {
  const script = join(root, 'scripts', 'sim.ts');
  const argv = [
    '--conditions=@capacloud/source',
    script,
    '--first',
    '1000',
    '--seeds',
    '100000',
    '--seconds',
    '240',
  ];
  const { stdout } = await promisify(execFile)(process.execPath, argv, {
    cwd: root,
    maxBuffer: 64 * 2 ** 20,
  });
  expect(stdout).toMatch(/failures +0\n/);
  expect(stdout).toMatch(/run twice +[1-9][0-9]* seeds, 0 non-deterministic/);
});
