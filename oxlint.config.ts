// What the linter demands. Which code is pure comes from the table of arrows; who may import whom is for its checker in
// `test/arch`.

import { type DummyRuleMap, defineConfig } from 'oxlint';
import { type PackageRule, packageRules } from './test/arch/arrows.ts';

const testFiles = '**/*.test.ts';

/** The rules that hold everywhere. What the compiler refuses already (enums, namespaces) is not repeated here. */
const everywhere: DummyRuleMap = {
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

function purity(globals: readonly string[]): DummyRuleMap {
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

function pureFiles({ folder, pure }: PackageRule): readonly string[] {
  return pure === 'all' ? [`${folder}/src/**`] : pure.map((room) => `${folder}/src/${room}/**`);
}

export default defineConfig({
  plugins: ['typescript', 'import', 'oxc', 'unicorn', 'promise'],
  ignorePatterns: ['**/node_modules/**', '**/dist/**', '.toolchain/**', '.cache/**', 'test/fixtures/**'],
  categories: { correctness: 'error' },
  options: { reportUnusedDisableDirectives: 'error' },
  rules: everywhere,
  overrides: [
    { files: packageRules.flatMap(pureFiles), excludeFiles: [testFiles], rules: purity(impureGlobals) },
    { files: [encoderFile], rules: purity(impureGlobals.filter((name) => name !== 'globalThis')) },
    { files: [testFiles, 'test/**'], rules: { 'max-lines': 'off', 'max-lines-per-function': 'off' } },
    {
      files: ['scripts/**', 'test/**', '**/src/main.ts', '**/src/cli.ts', '**/src/cli/**'],
      rules: { 'no-console': 'off' },
    },
    {
      files: ['oxlint.config.ts', 'vitest.config.ts', '**/vite.config.ts'],
      rules: { 'import/no-default-export': 'off' },
    },
  ],
});
