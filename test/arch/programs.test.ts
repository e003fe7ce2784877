import { systemPackages } from '@capacloud/rig/programs/system-packages';
import { describe, expect, test } from 'vitest';
import { checkoutSources, readCheckout } from './checkout.ts';
import { findProgramViolations, ownersPrograms } from './started-programs.ts';

const importing = "import { execFile, spawn, type ChildProcess } from 'node:child_process';\n";
const plant = (path: string, text: string) => findProgramViolations(new Map([[path, importing + text]]));
const call = (name: string, argument: string): string => `${name}(${argument}, ['--version']);\n`;

describe('a program that the table of system packages lacks', () => {
  test.each([
    ['test/e2e/planted.test.ts', call('spawn', "'curl'")],
    ['scripts/planted.ts', `const child = ${call('spawn', "\n  'curl'")}`],
    ['test/chaos/planted.ts', `const run = promisify(execFile);\nawait ${call('run', "'curl'")}`],
    ['test/chaos/planted.ts', `await ${call('promisify(execFile)', "'curl'")}`],
    ['agent/src/container/planted.ts', call('execFile', "'curl'")],
    ['agent/src/container/planted.test.ts', call('execFile', "'nvidia-smi'")],
  ])('is seen in %s: %j', (path, text) => {
    expect(plant(path, text)).toEqual([
      expect.stringMatching(/of which .*system-packages.ts has no package/),
    ]);
  });
});

test.each([
  ['a program by its name alone', call('spawn', "'docker-registry'"), "use programPath('docker-registry')"],
  ['a program that a variable names', call('spawn', 'command'), 'starts command'],
])('%s is seen', (_, text, problem) => {
  expect(plant('test/e2e/planted.test.ts', text)).toEqual([expect.stringContaining(problem)]);
});

test('a shell is seen', () => {
  const sources = new Map([['test/planted.ts', "import { exec } from 'node:child_process';\n"]]);
  expect(findProgramViolations(sources)).toEqual(['test/planted.ts uses exec, a shell: use execFile']);
});

test.each([
  ['test/e2e/fine.test.ts', call('spawn', "programPath('docker-registry')")],
  ['test/e2e/fine.test.ts', call('spawn', 'process.execPath')],
  ['test/e2e/fine.test.ts', `rig.${call('spawn', "'curl'")}`],
  ['agent/src/container/fine.ts', call('execFile', "'losetup'")],
  ['agent/src/hardware/fine.ts', call('execFile', "'nvidia-smi'")],
])('what is allowed passes: %s %j', (path, text) => {
  expect(plant(path, text)).toEqual([]);
});

test('the checkout has no violation', () => {
  expect(findProgramViolations(checkoutSources())).toEqual([]);
});

test('the check for unused code knows no program that the table lacks', () => {
  const { workspaces } = JSON.parse(readCheckout('knip.json')) as {
    workspaces: Record<string, { ignoreBinaries?: string[] }>;
  };
  const known: readonly string[] = [
    ...systemPackages.flatMap(({ commands }) => [...commands]),
    ...ownersPrograms,
  ];
  const ignored = Object.values(workspaces).flatMap(({ ignoreBinaries = [] }) => ignoreBinaries);
  expect(ignored.filter((name) => !known.includes(name))).toEqual([]);
});
