import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PlantedTree } from './planted-tree.ts';

const pureFolders = ['coordinator/core/src', 'shared/protocol/src', 'agent/src/core'];
const purePlants = [
  { rule: 'eslint(no-restricted-globals)', text: 'export const home = process.env;\n' },
  {
    rule: 'eslint(no-restricted-globals)',
    text: 'export const wait = (f: () => void) => setTimeout(f, 1);\n',
  },
  { rule: 'eslint(no-restricted-globals)', text: 'export const all = globalThis;\n' },
  { rule: 'eslint(no-restricted-properties)', text: 'export const now = Date.now();\n' },
  { rule: 'eslint(no-restricted-properties)', text: 'export const luck = Math.random();\n' },
];

const plants = [
  { rule: 'import(no-default-export)', text: 'export default 1;\n' },
  { rule: 'typescript(no-explicit-any)', text: 'export const loose: any = 1;\n' },
  { rule: 'typescript(no-non-null-assertion)', text: 'export const sure = (x?: string) => x!.length;\n' },
  {
    rule: 'typescript(no-floating-promises)',
    text: 'const f = async () => 1;\nexport function g(): void {\n  f();\n}\n',
  },
  {
    rule: 'typescript(no-misused-promises)',
    text: 'const f = async () => 1;\nexport const g = () => [1].forEach(async () => void (await f()));\n',
  },
  {
    rule: 'typescript(switch-exhaustiveness-check)',
    text: "export function f(x: 'a' | 'b'): number {\n  switch (x) {\n    case 'a':\n      return 1;\n    default:\n      return 2;\n  }\n}\n",
  },
  { rule: 'typescript(only-throw-error)', text: "export function f(): never {\n  throw 'text';\n}\n" },
  { rule: 'typescript(ban-ts-comment)', text: '// @ts-ignore\nexport const one: string = 1;\n' },
  { rule: 'eslint(eqeqeq)', text: 'export const same = (a: unknown) => a == 1;\n' },
  { rule: 'eslint(no-console)', text: "console.log('here');\nexport {};\n" },
  { rule: 'eslint(max-lines)', text: 'export {};\n'.repeat(301) },
  {
    rule: 'eslint(max-lines-per-function)',
    text: `export function long(x: number[]): void {\n${'  x.push(1);\n'.repeat(71)}}\n`,
  },
  { rule: 'oxc(no-barrel-file)', text: "export * from './thing.ts';\n" },
];

describe('lint', () => {
  let tree: PlantedTree;
  let found: ReadonlySet<string>;
  const pathOf = (index: number): string => `agent/src/host/planted-${index}.ts`;
  const purePathOf = (folder: string, index: number): string => `${folder}/planted-pure-${index}.ts`;
  beforeAll(() => {
    tree = new PlantedTree({
      ...Object.fromEntries(plants.map(({ text }, index) => [pathOf(index), text])),
      ...Object.fromEntries(
        pureFolders.flatMap((folder) =>
          purePlants.map(({ text }, index) => [purePathOf(folder, index), text]),
        ),
      ),
      'agent/src/host/NotKebab.ts': 'export const thing = 1;\n',
      'agent/src/host/floating.test.ts': 'const f = async () => 1;\nexport function g(): void {\n  f();\n}\n',
      'agent/src/host/fine.ts': 'export const thing = 1;\n',
    });
    found = new Set(tree.lint());
  });
  afterAll(() => tree.remove());

  test.each(plants.map((plant, index) => ({ ...plant, index })))('$rule is caught', ({ rule, index }) => {
    expect(found).toContain(`${pathOf(index)} ${rule}`);
  });

  test.each(pureFolders.flatMap((folder) => purePlants.map((plant, index) => ({ ...plant, folder, index }))))(
    '$folder: $text is caught',
    ({ rule, folder, index }) => {
      expect(found).toContain(`${purePathOf(folder, index)} ${rule}`);
    },
  );

  test('a name that is not kebab-case is caught', () => {
    expect(found).toContain('agent/src/host/NotKebab.ts unicorn(filename-case)');
  });

  test('rules that need types hold in tests too', () => {
    expect(found).toContain('agent/src/host/floating.test.ts typescript(no-floating-promises)');
  });

  test('a file without fault has no finding', () => {
    expect([...found].filter((line) => line.startsWith('agent/src/host/fine.ts'))).toEqual([]);
  });
});

describe('compiler', () => {
  const cases = [
    { folder: 'coordinator/core', text: 'export const home = process.env;\n', code: /TS25\d\d/ },
    {
      folder: 'coordinator/core',
      text: "import { readFileSync } from 'node:fs';\nexport const read = readFileSync;\n",
      code: /TS2(307|591)/,
    },
    {
      folder: 'coordinator/core',
      text: 'export const wait = (f: () => void) => setTimeout(f, 1);\n',
      code: /TS2304|TS258\d/,
    },
    {
      folder: 'shared/protocol',
      text: "import { readFileSync } from 'node:fs';\nexport const read = readFileSync;\n",
      code: /TS2(307|591)/,
    },
    { folder: 'shared/protocol', text: 'export const bytes = Buffer.alloc(1);\n', code: /TS25\d\d/ },
    {
      folder: 'agent',
      text: "import { thing } from '@capacloud/core/thing';\nexport const copy = thing;\n",
      code: /TS2307/,
    },
    {
      folder: 'coordinator/service',
      text: "import { thing } from '@capacloud/agent/thing';\nexport const copy = thing;\n",
      code: /TS2307/,
    },
    {
      folder: 'coordinator/core',
      text: "import { thing } from '@capacloud/client/thing';\nexport const copy = thing;\n",
      code: /TS2307/,
    },
    { folder: 'agent', text: 'export enum Colour {\n  red,\n}\n', code: /TS1294/ },
    { folder: 'agent', text: 'export namespace Shape {\n  export const sides = 3;\n}\n', code: /TS1294/ },
    {
      folder: 'agent',
      text: 'export class Box {\n  constructor(readonly size: number) {}\n}\n',
      code: /TS1294/,
    },
    { folder: 'agent', text: 'export const first = (x: string[]): string => x[0];\n', code: /TS2322/ },
    {
      folder: 'agent',
      text: "import { thing } from './thing';\nexport const copy = thing;\n",
      code: /TS2835/,
    },
  ];

  test.each(cases)('$folder refuses $text', ({ folder, text, code }) => {
    const planted = new PlantedTree({ [`${folder}/src/planted.ts`]: text });
    try {
      const [error = ''] = planted
        .compile(folder)
        .split('\n')
        .filter((line) => line.includes('planted.ts'));
      expect(error).toMatch(code);
    } finally {
      planted.remove();
    }
  });

  test('what is allowed compiles', () => {
    const tree = new PlantedTree({
      'agent/src/planted.ts':
        "import { thing } from '@capacloud/protocol/thing';\nexport const copy: NodeJS.ProcessEnv | number = thing;\n",
    });
    try {
      expect(tree.compile('agent')).toBe('');
    } finally {
      tree.remove();
    }
  });
});
