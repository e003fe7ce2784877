import { expect, test } from 'vitest';
import { checkoutPaths, readCheckout } from './checkout.ts';
import {
  findLooseActions,
  findLooseBases,
  findLoosePackages,
  findLooseTools,
  type Toolchain,
} from './pins.ts';

const { toolchain } = JSON.parse(readCheckout('package.json')) as { toolchain: Toolchain };

test.each(['node:26-bookworm-slim', 'node@sha256:00', '${UNSET}'])('FROM %s is seen', (base) => {
  expect(findLooseBases('Dockerfile', `FROM ${base} AS build\nFROM build\n`)).toHaveLength(1);
});

test.each([
  'actions/checkout@v4',
  'actions/checkout@main',
  `actions/checkout@${'a'.repeat(40)}`,
  `actions/checkout@${'a'.repeat(39)} # v4.4.0`,
  'docker://alpine:3',
])('uses: %s is seen', (action) => {
  expect(findLooseActions('ci.yml', `steps:\n  - uses: ${action}\n`)).toHaveLength(1);
  expect(findLooseActions('ci.yml', `steps:\n  - name: x\n    uses: ${action}\n`)).toHaveLength(1);
});

test('a tool without its hash is seen, and a hash without its tool', () => {
  expect(findLooseTools({ ...toolchain, pnpm: '0.0.1' })).toEqual([
    'package.json has no hash of @pnpm/exe.linux-x64@0.0.1',
    'package.json has no hash of @pnpm/exe.linux-arm64@0.0.1',
    expect.stringContaining('which nothing fetches'),
    expect.stringContaining('which nothing fetches'),
  ]);
});

test('a package of the lockfile without a SHA-512 is seen', () => {
  expect(findLoosePackages('packages:\n\n  a@1.0.0:\n    resolution: {integrity: sha1-x}\n')).toHaveLength(1);
});

test('everything that this checkout downloads is pinned by its bytes', () => {
  const paths = checkoutPaths();
  const dockerfiles = paths.filter((path) => /(^|\/)Dockerfile(\.\w+)?$|\.Dockerfile$/.test(path));
  const workflows = paths.filter((path) => /^\.github\/.*\.ya?ml$/.test(path));
  const lockfile = readCheckout('pnpm-lock.yaml');
  expect([dockerfiles.length, workflows.length]).toEqual([3, 1]);
  expect(lockfile.match(/^ {4}resolution: /gm)?.length).toBeGreaterThan(100);
  expect([
    ...dockerfiles.flatMap((path) => findLooseBases(path, readCheckout(path))),
    ...workflows.flatMap((path) => findLooseActions(path, readCheckout(path))),
    ...findLooseTools(toolchain),
    ...findLoosePackages(lockfile),
  ]).toEqual([]);
});
