import { describe, expect, test } from 'vitest';
import { packageRules } from './arrows.ts';
import { describeArrow, findBrokenArrows, findClockViolations, findStaleLines } from './broken-arrows.ts';
import { checkoutSources } from './checkout.ts';
import { findImportCycles } from './import-cycles.ts';
import { type Import, importsOf } from './imports.ts';

const importing = (specifier: string): string => `export * as thing from '${specifier}';\n`;

/** One planted import: where, and what. */
interface Plant {
  readonly path: string;
  readonly specifier: string;
}

const named = packageRules.map(({ name }) => name);

/** For every package of the table, every package that it may not import, itself included. */
const forbiddenPackages: readonly Plant[] = packageRules.flatMap(({ folder, internal }) =>
  named
    .filter((name) => !internal.includes(name))
    .map((name) => ({ path: `${folder}/src/planted.ts`, specifier: `${name}/thing` })),
);
const allowedPackages: readonly Plant[] = packageRules.flatMap(({ folder, internal }) =>
  internal.map((name) => ({ path: `${folder}/src/planted.ts`, specifier: `${name}/thing` })),
);

/** For every room, every other room of its package. */
const betweenRooms = packageRules.flatMap(({ folder, rooms }) =>
  Object.entries(rooms).flatMap(([from, may]) =>
    Object.keys(rooms)
      .filter((to) => to !== from)
      .map((to) => ({
        path: `${folder}/src/${fileIn(from)}`,
        specifier: `${'../'.repeat(fileIn(from).split('/').length - 1) || './'}${fileIn(to)}`,
        isAllowed: may === '*' || may.split(' ').includes(to),
      })),
  ),
);

function fileIn(room: string): string {
  if (room.endsWith('.ts')) return room;
  return room === '.' ? 'thing.ts' : `${room.replace('*', 'planted')}/thing.ts`;
}

/** Rooms that see a part of a package alone. */
const parts = packageRules.flatMap(({ folder, narrowed = [] }) =>
  narrowed.flatMap(({ rooms, ...part }) =>
    rooms.map((room) => ({ ...part, path: `${folder}/src/${room}/planted.ts` })),
  ),
);

const forbidden: readonly Plant[] = [
  ...parts.flatMap(({ path, package: name }) =>
    ['state', 'machine', 'snapshot', 'slices/job/queue', 'explain/waiting-reason'].map((module) => ({
      path,
      specifier: `${name}/${module}`,
    })),
  ),
  ...forbiddenPackages,
  ...betweenRooms.filter(({ isAllowed }) => !isAllowed),
  ...['coordinator/core/src', 'shared/protocol/src', 'agent/src/core'].flatMap((folder) => [
    { path: `${folder}/planted.ts`, specifier: 'node:fs' },
    { path: `${folder}/planted.ts`, specifier: 'fs' },
    { path: `${folder}/planted.ts`, specifier: 'ethers' },
  ]),
  { path: 'agent/src/session/planted.ts', specifier: 'left-pad' },
  { path: 'agent/src/session/planted.ts', specifier: 'vitest' },
  { path: 'agent/src/session/planted.ts', specifier: '../../../shared/protocol/src/thing.ts' },
  { path: 'agent/src/session/planted.ts', specifier: '@capacloud/protocol' },
  { path: 'agent/src/attic/planted.ts', specifier: '../core/thing.ts' },
  { path: 'agent/src/session/planted.test.ts', specifier: '@capacloud/core/thing' },
  { path: 'coordinator/service/src/api/planted.test.ts', specifier: '@capacloud/agent/thing' },
  ...['@capacloud/core/contract/event', '@capacloud/agent/main', '../world/thing.ts'].map((specifier) => ({
    path: 'test/sim/auditor/planted.ts',
    specifier,
  })),
];
const allowed: readonly Plant[] = [
  ...parts.map(({ path, package: name, folder }) => ({ path, specifier: `${name}/${folder}/thing` })),
  { path: 'coordinator/service/src/questions/planted.ts', specifier: '@capacloud/core/state' },
  ...allowedPackages,
  ...betweenRooms.filter(({ isAllowed }) => isAllowed),
  { path: 'shared/protocol/src/planted.ts', specifier: 'typebox' },
  { path: 'shared/protocol/src/planted.ts', specifier: '@noble/hashes/sha2.js' },
  { path: 'agent/src/session/planted.ts', specifier: 'node:fs' },
  { path: 'agent/src/core/planted.test.ts', specifier: 'node:fs' },
  { path: 'agent/src/session/planted.test.ts', specifier: '../journal/thing.ts' },
  { path: 'test/e2e/planted.ts', specifier: '@capacloud/agent/thing' },
  { path: 'test/sim/auditor/planted.ts', specifier: './own.ts' },
  { path: 'scripts/planted.ts', specifier: '@capacloud/core/thing' },
];

const brokenBy = (path: string, source: string): readonly string[] =>
  findBrokenArrows(new Map([[path, source]])).map(describeArrow);

describe('arrows', () => {
  test.each(forbidden)('$path may not import $specifier', ({ path, specifier }) => {
    expect(brokenBy(path, importing(specifier))).toEqual([expect.stringContaining(`${path}:1 `)]);
  });

  test.each(allowed)('$path may import $specifier', ({ path, specifier }) => {
    expect(brokenBy(path, importing(specifier))).toEqual([]);
  });

  test.each([
    "import type { Thing } from '../host/thing.ts';\n",
    "import {\n  type Thing,\n} from '../host/thing.ts';\n",
    "import '../host/thing.ts';\n",
    "export const later = () => import('../host/thing.ts');\n",
    "export type Thing = import('../host/thing.ts').Thing;\n",
  ])('sees %j', (source) => {
    expect(brokenBy('agent/src/engine/planted.ts', source)).toHaveLength(1);
  });

  test('a comment imports nothing', () => {
    expect(brokenBy('agent/src/core/doc.ts', " * import { x } from '@capacloud/core/x';\n")).toEqual([]);
  });

  test('a finding names file, line, arrow and way out', () => {
    expect(brokenBy('shared/client/src/planted.ts', `\n\n${importing('./cli/run.ts')}`)).toEqual([
      'shared/client/src/planted.ts:3 shared/client: . imports cli (shared/client/src/cli/run.ts). ' +
        '. imports no other room: pass it in, or move what both need into a room below (test/arch/arrows.ts).',
    ]);
  });

  test('a clock in pure code is seen', () => {
    const sources = new Map([
      ['coordinator/core/src/planted.ts', 'export const at = new Date();\n'],
      ['coordinator/core/src/fine.ts', 'export const at = (ms: number) => new Date(ms);\n'],
      ['agent/src/session/fine.ts', 'export const at = new Date();\n'],
    ]);
    expect(findClockViolations(sources)).toEqual(['coordinator/core/src/planted.ts reads the clock']);
  });

  test('a line of the table without a file is seen', () => {
    expect(findStaleLines(['shared/client/src/client.ts'])).toContain('shared/client: no file lies in cli');
  });
});

describe('import cycles', () => {
  const cyclesOf = (files: Readonly<Record<string, string>>) =>
    findImportCycles(new Map(Object.entries(files)));

  test('the shortest way round is named, types included', () => {
    const cycles = cyclesOf({
      'test/a.ts': "import type { B } from './b.ts';\n",
      'test/b.ts': "import { c } from './c.ts';\nimport './d.ts';\n",
      'test/c.ts': "import { a } from './a.ts';\n",
      'test/d.ts': "import { b } from './b.ts';\n",
      'test/e.ts': "import './a.ts';\n",
    });
    expect(cycles).toEqual([
      {
        files: ['test/a.ts', 'test/b.ts', 'test/c.ts', 'test/d.ts'],
        shortest: ['test/b.ts', 'test/d.ts', 'test/b.ts'],
      },
    ]);
  });

  test('a file that imports itself is a cycle, and a diamond is none', () => {
    expect(cyclesOf({ 'test/a.ts': "import './a.ts';\n" })).toHaveLength(1);
    const diamond = {
      'test/a.ts': "import './b.ts';\nimport './c.ts';\n",
      'test/b.ts': "import './d.ts';\n",
      'test/c.ts': "import './d.ts';\n",
      'test/d.ts': '',
    };
    expect(cyclesOf(diamond)).toEqual([]);
  });

  test('a cycle of two packages is seen', () => {
    expect(
      cyclesOf({
        'agent/src/a.ts': "import '@capacloud/protocol/b';\n",
        'shared/protocol/src/b.ts': "import '@capacloud/agent/a';\n",
      }),
    ).toHaveLength(1);
  });
});

const isDockerode = ({ specifier }: Import) => specifier === 'dockerode';

describe('checkout', () => {
  const sources = checkoutSources();

  test('every import follows an arrow of the table', () => {
    expect([...findBrokenArrows(sources).map(describeArrow), ...findClockViolations(sources)]).toEqual([]);
  });

  test('the engine room alone talks to the container engine', () => {
    const rooms = [...sources]
      .filter(([path, source]) => path.startsWith('agent/src/') && importsOf(source).some(isDockerode))
      .map(([path]) => path.split('/')[2]);
    expect([...new Set(rooms)]).toEqual(['engine']);
  });

  test('every line of the table has a file', () => {
    expect(findStaleLines([...sources.keys()])).toEqual([]);
  });

  test('there are no import cycles, types included', () => {
    expect(findImportCycles(sources).map(({ shortest }) => shortest.join(' -> '))).toEqual([]);
  });
});
