import { type Narrowing, type PackageRule, packageRules } from './check-arrows.ts';

type Severity = 'error' | 'off';
type Rule = Severity | readonly [Severity, ...unknown[]];
type Rules = Readonly<Record<string, Rule>>;
type Pattern = { readonly message: string } & (
  | { readonly group: readonly string[] }
  | { readonly regex: string }
);

interface Override {
  readonly files: readonly string[];
  readonly excludeFiles?: readonly string[];
  readonly rules: Rules;
}

const testFiles = '**/*.test.ts';
const testPackages = ['vitest', 'fast-check'];

/** The rules that hold everywhere. What the compiler refuses already (enums, namespaces) is not repeated here. */
const everywhere: Rules = {
  eqeqeq: 'error',
  'no-console': 'error',
  'no-var': 'error',
  'prefer-const': 'error',
  'max-lines': ['error', { max: 300 }],
  'max-lines-per-function': ['error', { max: 70, skipBlankLines: true, skipComments: true }],
  'typescript/ban-ts-comment': 'error',
  'typescript/consistent-type-imports': 'error',
  'typescript/no-explicit-any': 'error',
  'typescript/no-floating-promises': 'error',
  'typescript/no-misused-promises': 'error',
  'typescript/no-non-null-assertion': 'error',
  'typescript/only-throw-error': 'error',
  // A `default` would swallow the variant that somebody adds next year.
  'typescript/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: false }],
  'import/no-cycle': 'error',
  'import/no-default-export': 'error',
  'oxc/no-barrel-file': ['error', { threshold: 0 }],
  'unicorn/filename-case': ['error', { case: 'kebabCase' }],
  'unicorn/no-new-array': 'off',
  // `then` is a field of events: what becomes of a task after an attempt.
  'unicorn/no-thenable': 'off',
};

/** What pure code may not touch although the language or the package's types offer it. */
const impureGlobals = [
  'Buffer',
  'WebSocket',
  'console',
  'crypto',
  'fetch',
  'global',
  'globalThis',
  'performance',
  'process',
  'queueMicrotask',
  'require',
  'setImmediate',
  'setInterval',
  'setTimeout',
];
/** The one file that may look up TextEncoder, which the language's own types leave out. */
const encoderFile = 'shared/protocol/src/log/bytes.ts';

function purity(globals: readonly string[]): Rules {
  const message = 'Pure code has no clock, randomness, environment or I/O: take it as an input.';
  return {
    'no-restricted-globals': ['error', ...globals.map((name) => ({ name, message }))],
    'no-restricted-properties': [
      'error',
      { object: 'Date', property: 'now', message },
      { object: 'Math', property: 'random', message },
    ],
  };
}

const restrictImports = (patterns: readonly Pattern[]): Rules => ({
  'no-restricted-imports': ['error', { patterns }],
});

/** Everything is refused but the package's own files and what is named; the patterns are gitignore's. */
function allowOnly(names: readonly string[], message: string): Pattern {
  return {
    group: ['**', '!./**', '!../**', ...names.flatMap((name) => [`!${name}`, `!${name}/**`])],
    message,
  };
}

const bySubpath: Pattern = {
  regex: '^@capacloud/[a-z-]+$',
  message: 'Packages export by subpath: name the module, as in @capacloud/protocol/units.',
};
const byName: Pattern = {
  regex: '^\\.\\.?/(.*/)?(src|dist)/',
  message: 'Import another package by its name, never by a path.',
};
const notMain: Pattern = {
  regex: '^(\\./)?(\\.\\./)+main\\.ts$',
  message: 'main.ts puts the parts together: no part imports it.',
};

function notRooms(rooms: readonly string[]): Pattern {
  return {
    regex: `^(\\./)?(\\.\\./)+(${rooms.join('|')})/`,
    message: 'An adapter never imports another: share the type in ports/ or core/, and let main.ts compose.',
  };
}

/** The second set of books, over simulated runs: what it shared with the first it could not find wrong. */
const independentFolder = 'test/sim/auditor';
const independent: Pattern = {
  group: ['**', '!./**', '!vitest'],
  message: `${independentFolder} may import its own files only: it checks all others.`,
};

/** oxlint's expressions cannot look ahead, so they spell each way in which a path leaves the one that is allowed. */
function notBeyond({ folder, package: name, why }: Narrowing): Pattern {
  const allowed = `${folder}/`;
  const leaving = allowed.split('').map((letter, i) => `${allowed.slice(0, i)}([^${letter}]|$)`);
  return { regex: `^${name}/(${leaving.join('|')})`, message: why };
}

function importsOf(rule: PackageRule, room: string | undefined, inTest: boolean): readonly Pattern[] {
  const isPure = rule.pure === 'all' || (room !== undefined && rule.pure.includes(room));
  const external = isPure && rule.pure !== 'all' ? ['typebox'] : rule.external;
  const internal = isPure && rule.pure !== 'all' ? ['@capacloud/protocol'] : rule.internal;
  const node = isPure && !inTest ? [] : ['node:*'];
  const allowed = [...internal, ...external, ...node, ...(inTest ? testPackages : [])];
  const where = room === undefined || !isPure ? rule.folder : `${rule.folder}/src/${room}`;
  const message = `${where} may import its own files and these only: ${allowed.join(', ')}.`;
  const otherRooms = [...rule.rooms, ...rule.composers].filter((other) => other !== room);
  const betweenRooms = room === undefined || inTest ? [] : [notRooms(otherRooms), notMain];
  const narrowed = rule.narrowed.filter(({ rooms }) => room !== undefined && !inTest && rooms.includes(room));
  // The list of what is allowed comes last: oxlint looks no further once a name is on it.
  return [bySubpath, byName, ...betweenRooms, ...narrowed.map(notBeyond), allowOnly(allowed, message)];
}

function overridesOf(rule: PackageRule): readonly Override[] {
  const rooms = [...rule.rooms, ...rule.shared];
  return [
    { files: [`${rule.folder}/**`], rules: restrictImports(importsOf(rule, undefined, false)) },
    ...rooms.map((room) => ({
      files: [`${rule.folder}/src/${room}/**`],
      rules: restrictImports(importsOf(rule, room, false)),
    })),
    // A test may put real rooms of its own package together.
    { files: [`${rule.folder}/${testFiles}`], rules: restrictImports(importsOf(rule, undefined, true)) },
  ];
}

function pureFiles({ folder, pure }: PackageRule): readonly string[] {
  return pure === 'all' ? [`${folder}/src/**`] : pure.map((room) => `${folder}/src/${room}/**`);
}

/** The content of .oxlintrc.json, which the editors read as well. */
export function lintConfig(): Readonly<Record<string, unknown>> {
  const overrides: readonly Override[] = [
    ...packageRules.flatMap(overridesOf),
    { files: packageRules.flatMap(pureFiles), excludeFiles: [testFiles], rules: purity(impureGlobals) },
    { files: [encoderFile], rules: purity(impureGlobals.filter((name) => name !== 'globalThis')) },
    { files: [testFiles, 'test/**'], rules: { 'max-lines': 'off', 'max-lines-per-function': 'off' } },
    {
      files: ['scripts/**', 'test/**', '**/src/main.ts', '**/src/cli.ts', '**/src/cli/**'],
      rules: { 'no-console': 'off' },
    },
    { files: [`${independentFolder}/**`], rules: restrictImports([independent]) },
    { files: ['vitest.config.ts', '**/vite.config.ts'], rules: { 'import/no-default-export': 'off' } },
  ];
  return {
    $schema: './node_modules/oxlint/configuration_schema.json',
    plugins: ['typescript', 'import', 'oxc', 'unicorn', 'promise'],
    ignorePatterns: ['**/node_modules/**', '**/dist/**', '.toolchain/**', '.cache/**', 'test/fixtures/**'],
    categories: { correctness: 'error' },
    options: { reportUnusedDisableDirectives: 'error' },
    rules: everywhere,
    overrides,
  };
}
