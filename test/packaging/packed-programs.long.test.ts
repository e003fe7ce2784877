import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCommand } from '@capacloud/rig/programs/command';
import { type Program, type ProgramFile, thisNode } from '@capacloud/rig/programs/programs';
import { repositoryRoot } from '@capacloud/rig/repository-root';
import { afterAll, beforeAll, expect, test } from 'vitest';

const packages = [
  'shared/protocol',
  'shared/waiting',
  'shared/transfer',
  'shared/client',
  'shared/nvidia-smi-parser',
  'agent',
  'coordinator/core',
  'coordinator/service',
];
const { signal } = new AbortController();
let folder: string;

async function run(command: Program, args: readonly string[], cwd: string): Promise<string> {
  const { exitCode, output } = await runCommand(command, args, { cwd, output: 'capture' }, signal);
  expect(exitCode, output).toBe(0);
  return output;
}

/** Packs every package and installs the archives into an empty folder, as somebody does who has nothing else of us. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'capacloud-packed-'));
  const pnpm = [join(repositoryRoot, 'scripts/with-toolchain.mjs'), 'pnpm'];
  await run('tsc', ['-b', ...packages], repositoryRoot);
  for (const name of packages)
    await run(thisNode, [...pnpm, '-C', name, 'pack', '--pack-destination', folder], repositoryRoot);
  const archives = (await readdir(folder)).filter((name) => name.endsWith('.tgz'));
  expect(archives).toHaveLength(packages.length);
  await run('npm', ['install', '--no-audit', '--no-fund', ...archives.map((name) => `./${name}`)], folder);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test.each([
  ['capacloud', 'run [options] <file>'],
  ['capacloud-agent', 'doctor'],
  ['capacloud-coordinator', 'serve'],
])('%s can be typed where its package is installed', async (name, verb) => {
  const program = join(folder, 'node_modules/.bin', name) as ProgramFile;
  expect(await run(program, ['--version'], folder)).toMatch(/^\d+\.\d+\.\d+\n$/);
  expect(await run(program, ['--help'], folder)).toContain(verb);
});
