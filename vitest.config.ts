import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { configDefaults, defineConfig, type TestProjectConfiguration } from 'vitest/config';

// Tests read the sources, not the build, so that a stale dist can never pass.
const conditions = ['@capacloud/source', 'node', 'import', 'module', 'default'];
const resolve = { conditions };
const ssr = { resolve: { conditions, externalConditions: conditions } };
/** How long what is polled for may take: a stalled disk alone can take a second. */
const expect = { poll: { timeout: 10_000 } };
/** Read before each file. */
const setupFiles = [fileURLToPath(new URL('test/rig/programs/child-errors.ts', import.meta.url))];
/** `npm run test:long` runs these, in projects of their own; `npm test` never does. */
const longEnding = '.long.test.ts';

interface Kind {
  readonly name: string;
  /** Globs, without the ending of a test's name. */
  readonly files: readonly string[];
  readonly otherFiles?: readonly string[];
  readonly timeout: number;
  /** Its long tests run one file at a time: they break engines, and wait for clocks. */
  readonly longAlone?: boolean;
}

const units = {
  name: 'unit',
  files: ['agent/src/**/*', 'coordinator/*/src/**/*', 'shared/*/src/**/*', 'scripts/**/*', 'test/rig/**/*'],
  timeout: 20_000,
} as const satisfies Kind;
/** Whole coordinators and simulated worlds without a Docker engine: files run side by side. */
const loopback = {
  name: 'loopback',
  files: [
    'test/{replay,fuzz,sim}/**/*',
    'test/e2e/backup',
    'test/e2e/broken-books',
    'test/e2e/damaged-log',
    'test/e2e/gateway',
    'test/e2e/gateway-abuse',
    'test/e2e/gateway-crowds',
    'test/e2e/gateway-joins',
    'test/e2e/gateway-rates',
    'test/e2e/hostile-uploads',
    'test/e2e/lying-receipts',
    'test/e2e/proxies',
    'test/e2e/session-resumption',
    'test/ports/journals',
    'test/ports/simulated-runtime',
  ],
  timeout: 300_000,
} as const satisfies Kind;
/** Real engines, and processes that are killed. They wait for most of the time, so short ones run side by side, too. */
const real = {
  name: 'real',
  files: ['test/{e2e,chaos,ports}/**/*'],
  otherFiles: loopback.files,
  timeout: 300_000,
  longAlone: true,
} as const satisfies Kind;

/** Two projects: the short tests of a kind, and its long ones, which may take three times as long each. */
function projectsOf({ name, files, otherFiles = [], timeout, longAlone }: Kind): TestProjectConfiguration[] {
  const ending = (globs: readonly string[], end: string): string[] => globs.map((glob) => `${glob}${end}`);
  const short = {
    name,
    setupFiles,
    include: ending(files, '.test.ts'),
    exclude: [...configDefaults.exclude, ...ending(otherFiles, '.test.ts'), `**/*${longEnding}`],
    expect,
    testTimeout: timeout,
    hookTimeout: timeout,
  };
  const long = {
    ...short,
    name: `${name}-long`,
    include: ending(files, longEnding),
    exclude: [...configDefaults.exclude, ...ending(otherFiles, longEnding)],
    testTimeout: 3 * timeout,
    fileParallelism: longAlone !== true,
  };
  return [short, long].map((test) => ({ resolve, ssr, test }));
}

export default defineConfig({
  test: {
    // The default leaves a core free, which on two cores is half of them.
    maxWorkers: availableParallelism(),
    projects: [
      ...[units, loopback, real].flatMap(projectsOf),
      {
        resolve,
        ssr,
        test: { name: 'arch', setupFiles, include: ['test/arch/**/*.test.ts'], testTimeout: 120_000 },
      },
      {
        resolve,
        ssr,
        // What `npm test` fuzzes for a moment, with four times the inputs.
        test: {
          name: 'fuzz-long',
          setupFiles,
          include: ['test/fuzz/**/*.test.ts', 'test/e2e/gateway-abuse.test.ts'],
          env: { CAPACLOUD_FUZZ_EFFORT: '4' },
          expect,
          testTimeout: 900_000,
          hookTimeout: 300_000,
        },
      },
      {
        resolve,
        ssr,
        // Builds container images, which takes minutes on a fresh engine.
        test: {
          name: 'packaging-long',
          setupFiles,
          include: [`test/packaging/**/*${longEnding}`],
          fileParallelism: false,
          expect,
          testTimeout: 300_000,
          hookTimeout: 900_000,
        },
      },
    ],
  },
});
