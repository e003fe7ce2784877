import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type PackageRule, packageRules } from './arrows.ts';
import { checkoutPaths, checkoutSources, readCheckout, root } from './checkout.ts';
import {
  findManifestViolations,
  findProjectViolations,
  type Manifest,
  type ProjectConfig,
} from './manifests.ts';
import { findLongFiles, findRegistryHosts, findTreeViolations } from './tree.ts';

function ruleOf(folder: string): PackageRule {
  const rule = packageRules.find((candidate) => candidate.folder === folder);
  if (rule === undefined) throw new Error(`no rule for ${folder}`);
  return rule;
}

const existing = packageRules.filter(({ folder }) => existsSync(join(root, folder, 'package.json')));

describe('package.json', () => {
  const good = { name: '@capacloud/agent', type: 'module', license: 'Apache-2.0' };
  const cases: readonly { readonly folder: string; readonly manifest: Manifest; readonly says: string }[] = [
    {
      folder: 'agent',
      manifest: { ...good, dependencies: { '@capacloud/core': 'workspace:*' } },
      says: 'depends on @capacloud/core',
    },
    {
      folder: 'agent',
      manifest: { ...good, dependencies: { fastify: 'catalog:' } },
      says: 'depends on fastify',
    },
    {
      folder: 'agent',
      manifest: { ...good, peerDependencies: { fastify: 'catalog:' } },
      says: 'depends on fastify',
    },
    { folder: 'agent', manifest: { ...good, dependencies: { ws: '^8.0.0' } }, says: 'asks for ws as ^8.0.0' },
    {
      folder: 'agent',
      manifest: { ...good, devDependencies: { '@capacloud/coordinator': 'workspace:*' } },
      says: 'depends on @capacloud/coordinator in its tests',
    },
    { folder: 'agent', manifest: { ...good, name: 'agent' }, says: 'is named agent' },
    { folder: 'agent', manifest: { ...good, type: 'commonjs' }, says: 'is not of type module' },
    { folder: 'agent', manifest: { ...good, license: 'MIT' }, says: 'does not name the licence' },
    {
      folder: 'coordinator/core',
      manifest: { ...good, name: '@capacloud/core', dependencies: { typebox: 'catalog:' } },
      says: 'depends on typebox',
    },
    {
      folder: 'coordinator/service',
      manifest: {
        ...good,
        name: '@capacloud/coordinator',
        dependencies: { '@capacloud/agent': 'workspace:*' },
      },
      says: 'depends on @capacloud/agent',
    },
  ];
  test.each(cases)('$folder: $says', ({ folder, manifest, says }) => {
    expect(findManifestViolations(ruleOf(folder), manifest)).toEqual([expect.stringContaining(says)]);
  });

  test.each(existing)('$folder keeps to its list', (rule) => {
    const manifest = JSON.parse(readCheckout(`${rule.folder}/package.json`)) as Manifest;
    expect(findManifestViolations(rule, manifest)).toEqual([]);
  });
});

test('what a package does not list does not resolve in it: the top folder offers none of ours', () => {
  const { dependencies, devDependencies } = JSON.parse(readCheckout('package.json')) as Manifest;
  const listed = Object.keys({ ...dependencies, ...devDependencies });
  expect(listed.filter((name) => packageRules.some((rule) => rule.name === name))).toEqual([]);
});

describe('tsconfig.json', () => {
  test('a reference against the arrows is seen', () => {
    const config = { references: [{ path: '../shared/protocol' }, { path: '../coordinator/core' }] };
    expect(findProjectViolations(ruleOf('agent'), config)).toEqual([
      'agent/tsconfig.json refers to coordinator/core',
    ]);
  });

  test.each<ProjectConfig>([
    {},
    { compilerOptions: {} },
    { compilerOptions: { types: ['node'] } },
    { compilerOptions: { types: [], lib: ['dom'] } },
  ])('a pure package lets no ambient types in: %j', (config) => {
    expect(findProjectViolations(ruleOf('coordinator/core'), config)).toHaveLength(1);
  });

  test.each(existing)('$folder keeps to its list', (rule) => {
    const config = JSON.parse(readCheckout(`${rule.folder}/tsconfig.json`)) as ProjectConfig;
    expect(findProjectViolations(rule, config)).toEqual([]);
  });
});

describe('tree', () => {
  test.each([
    ['lib/thing.ts', 'lib/ is no folder of this house'],
    ['shared/extras/package.json', 'shared/extras is a package that test/arch/arrows.ts does not name'],
    ['agent/src/utils/thing.ts', 'agent/src/utils/thing.ts is called utils'],
    ['agent/src/session/socket-manager.ts', 'agent/src/session/socket-manager.ts is called manager'],
    ['agent/src/helpers.ts', 'agent/src/helpers.ts is called helpers'],
    ['shared/protocol/src/common.ts', 'shared/protocol/src/common.ts is called common'],
    ['agent/package.json', 'agent has no README.md'],
  ])('%s is seen', (path, says) => {
    expect(findTreeViolations([path])).toEqual([says]);
  });

  test('a file of 301 lines is seen, and one of 300 is not', () => {
    const long = new Map([
      ['agent/src/long.ts', 'x\n'.repeat(301)],
      ['agent/src/full.ts', 'x\n'.repeat(300)],
    ]);
    expect(findLongFiles(long)).toEqual(['agent/src/long.ts has 301 lines; split it by idea']);
  });

  test.each([
    '    resolution: {tarball: https://packages.example.test/a.tgz}',
    '    resolution: {integrity: sha512-x, tarball: file:a.tgz}',
    "  registry: 'https://registry.example.test/'",
  ])('a host in the lockfile is seen: %s', (line) => {
    expect(findRegistryHosts(`lockfileVersion: '9.0'\n${line}\n`)).toEqual([
      expect.stringContaining('pnpm-lock.yaml:2'),
    ]);
  });

  test('the checkout has no violation', () => {
    expect([
      ...findTreeViolations(checkoutPaths()),
      ...findLongFiles(checkoutSources()),
      ...findRegistryHosts(readCheckout('pnpm-lock.yaml')),
    ]).toEqual([]);
  });
});
