import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { packageRules } from '../../scripts/check-arrows.ts';
import { lintConfig } from '../../scripts/check-lint-config.ts';
import { checkoutSources, readCheckout } from './checkout.ts';
import { findArrowViolations, findClockViolations } from './import-graph.ts';
import { PlantedTree } from './planted-tree.ts';

const restricted = 'eslint(no-restricted-imports)';
const importing = (specifier: string): string => `export * as thing from '${specifier}';\n`;

/** One planted import: where, what, and whether it is against the rules. */
interface Plant {
  readonly path: string;
  readonly specifier: string;
}

const named = packageRules.map(({ name }) => name);
const specifierOf = (name: string): string => `${name}/thing`;

/** For every package of the table, every package that it may not import, itself included. */
const forbiddenPackages: readonly Plant[] = packageRules.flatMap(({ folder, internal }) =>
  named
    .filter((name) => !internal.includes(name))
    .map((name) => ({
      path: `${folder}/src/sees-${name.replaceAll(/[@/]/g, '')}.ts`,
      specifier: specifierOf(name),
    })),
);
const allowedPackages: readonly Plant[] = packageRules.flatMap(({ folder, internal }) =>
  internal.map((name) => ({
    path: `${folder}/src/may-see-${name.replaceAll(/[@/]/g, '')}.ts`,
    specifier: specifierOf(name),
  })),
);

/** For every room, every other room of its package, and main.ts. */
const forbiddenRooms: readonly Plant[] = packageRules.flatMap(({ folder, rooms, shared, composers }) =>
  [...rooms, ...shared].flatMap((room) => [
    ...[...rooms, ...composers]
      .filter((other) => other !== room)
      .map((other) => ({
        path: `${folder}/src/${room}/sees-${other}.ts`,
        specifier: `../${other}/thing.ts`,
      })),
    ...(rooms.length === 0 ? [] : [{ path: `${folder}/src/${room}/sees-main.ts`, specifier: '../main.ts' }]),
  ]),
);
const deepRooms: readonly Plant[] = [
  { path: 'agent/src/session/deep/sees-journal.ts', specifier: '../../journal/thing.ts' },
  { path: 'coordinator/service/src/api/deep/sees-store.ts', specifier: '../../store/thing.ts' },
];
const composing: readonly Plant[] = packageRules.flatMap(({ folder, rooms, composers }) =>
  composers.flatMap((composer) =>
    rooms.map((room) => ({
      path: `${folder}/src/${composer}/may-see-${room}.ts`,
      specifier: `../${room}/thing.ts`,
    })),
  ),
);
const allowedRooms: readonly Plant[] = packageRules.flatMap(({ folder, rooms, shared }) =>
  rooms.flatMap((room) => [
    { path: `${folder}/src/${room}/may-see-own.ts`, specifier: './own.ts' },
    ...shared.map((other) => ({
      path: `${folder}/src/${room}/may-see-${other}.ts`,
      specifier: `../${other}/thing.ts`,
    })),
  ]),
);

const forbiddenOutside: readonly Plant[] = [
  ...['coordinator/core/src', 'shared/protocol/src', 'agent/src/core'].flatMap((folder) => [
    { path: `${folder}/sees-node.ts`, specifier: 'node:fs' },
    { path: `${folder}/sees-bare-node.ts`, specifier: 'fs' },
    { path: `${folder}/sees-library.ts`, specifier: 'ethers' },
  ]),
  { path: 'agent/src/session/sees-stranger.ts', specifier: 'left-pad' },
  { path: 'agent/src/session/sees-by-path.ts', specifier: '../../../shared/protocol/src/thing.ts' },
  { path: 'agent/src/session/sees-barrel.ts', specifier: '@capacloud/protocol' },
  { path: 'agent/src/session/test-sees-core.test.ts', specifier: '@capacloud/core/thing' },
  { path: 'coordinator/service/src/api/test-sees-agent.test.ts', specifier: '@capacloud/agent/thing' },
  ...[
    '@capacloud/core/contract/event',
    '@capacloud/coordinator/engine',
    '@capacloud/agent/main',
    '../world/thing.ts',
  ].map((specifier, i) => ({ path: `test/sim/auditor/sees-what-it-audits-${i}.ts`, specifier })),
];
const allowedOutside: readonly Plant[] = [
  { path: 'shared/protocol/src/may-see-typebox.ts', specifier: 'typebox' },
  { path: 'shared/protocol/src/may-see-noble.ts', specifier: '@noble/hashes/sha2.js' },
  { path: 'agent/src/session/may-see-node.ts', specifier: 'node:fs' },
  { path: 'agent/src/session/may-see-journal.test.ts', specifier: '../journal/thing.ts' },
  { path: 'test/e2e/may-see-agent.ts', specifier: '@capacloud/agent/thing' },
  { path: 'test/sim/auditor/may-see-own.ts', specifier: './own.ts' },
  { path: 'scripts/may-see-core.ts', specifier: '@capacloud/core/thing' },
];

/** Rooms that see a part of a package alone: the live state is for the core's own room of the service. */
const forbiddenParts: readonly Plant[] = packageRules.flatMap(({ folder, narrowed }) =>
  narrowed.flatMap(({ package: name, rooms }) =>
    rooms.flatMap((room) =>
      ['state', 'machine', 'snapshot', 'slices/job/queue', 'explain/waiting-reason'].map((module) => ({
        path: `${folder}/src/${room}/sees-${module.replaceAll('/', '-')}.ts`,
        specifier: `${name}/${module}`,
      })),
    ),
  ),
);
const allowedParts: readonly Plant[] = packageRules.flatMap(({ folder, narrowed }) =>
  narrowed.flatMap(({ folder: part, package: name, rooms }) => [
    ...rooms.map((room) => ({
      path: `${folder}/src/${room}/may-see-${part}.ts`,
      specifier: `${name}/${part}/thing`,
    })),
    { path: `${folder}/src/questions/may-see-state.ts`, specifier: `${name}/state` },
  ]),
);

const forbidden = [
  ...forbiddenPackages,
  ...forbiddenRooms,
  ...forbiddenParts,
  ...deepRooms,
  ...forbiddenOutside,
];
const allowed = [...allowedPackages, ...allowedRooms, ...allowedParts, ...composing, ...allowedOutside];
const dynamicImport = {
  path: 'agent/src/container/sees-later.ts',
  text: "export const later = () => import('../host/thing.ts');\n",
};

const asFiles = (plants: readonly Plant[]): Record<string, string> =>
  Object.fromEntries(plants.map(({ path, specifier }) => [path, importing(specifier)]));

describe('lint', () => {
  let tree: PlantedTree;
  let found: ReadonlySet<string>;
  beforeAll(() => {
    tree = new PlantedTree({
      ...asFiles([...forbidden, ...allowed]),
      [dynamicImport.path]: dynamicImport.text,
    });
    found = new Set(tree.lint());
  });
  afterAll(() => tree.remove());

  test.each([...forbidden, { ...dynamicImport, specifier: 'a dynamic import' }])(
    '$path may not import $specifier',
    ({ path }) => {
      expect(found).toContain(`${path} ${restricted}`);
    },
  );

  test.each(allowed)('$path may import $specifier', ({ path }) => {
    expect(found).not.toContain(`${path} ${restricted}`);
  });

  test('the configuration in the checkout is the one of the table', () => {
    expect(JSON.parse(readCheckout('.oxlintrc.json')), 'run `npm run format`').toEqual(lintConfig());
  });
});

describe('import graph', () => {
  const crossesPackage = [
    ...forbiddenPackages,
    ...forbiddenRooms,
    ...forbiddenParts,
    ...deepRooms,
    { path: 'agent/src/session/sees-by-path.ts', specifier: '../../../shared/protocol/src/thing.ts' },
  ];
  test.each(crossesPackage)('$path may not import $specifier', ({ path, specifier }) => {
    expect(findArrowViolations(new Map([[path, importing(specifier)]]))).toEqual([
      expect.stringContaining(path),
    ]);
  });

  test('a detour through a file at the top of src is seen', () => {
    const sources = new Map([
      ['agent/src/session/client.ts', "import { open } from '../assembly.ts';\n"],
      ['agent/src/assembly.ts', "export { open } from './journal/open.ts';\n"],
    ]);
    expect(findArrowViolations(sources)).toEqual([
      'agent/src/session/client.ts reaches the adapter agent/src/journal/open.ts',
    ]);
  });

  test('a folder that the table does not name is seen', () => {
    expect(findArrowViolations(new Map([['agent/src/attic/box.ts', '']]))).toEqual([
      'agent/src/attic/box.ts lies in a folder that scripts/check-arrows.ts does not name',
    ]);
  });

  test('what is allowed passes, and a comment imports nothing', () => {
    const comment = " * import { x } from '@capacloud/core/x';\n";
    const sources = new Map([
      ...Object.entries(asFiles([...allowedPackages, ...allowedRooms, ...allowedParts, ...composing])),
      ['agent/src/core/doc.ts', comment],
    ]);
    expect(findArrowViolations(sources)).toEqual([]);
  });

  test('a clock in pure code is seen', () => {
    const sources = new Map([
      ['coordinator/core/src/planted.ts', 'export const at = new Date();\n'],
      ['coordinator/core/src/fine.ts', 'export const at = (ms: number) => new Date(ms);\n'],
      ['agent/src/session/fine.ts', 'export const at = new Date();\n'],
    ]);
    expect(findClockViolations(sources)).toEqual(['coordinator/core/src/planted.ts reads the clock']);
  });

  test('the checkout has no violation', () => {
    const sources = checkoutSources();
    expect([...findArrowViolations(sources), ...findClockViolations(sources)]).toEqual([]);
  });
});
