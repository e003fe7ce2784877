import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

// Tests read the sources, not the build, so that a stale dist can never pass.
const conditions = ['@capacloud/source', 'node', 'import', 'module', 'default'];
/** Whole coordinators and simulated worlds without a Docker engine: files run side by side. */
const loopbackTests = [
  'test/{replay,fuzz,sim}/**/*.test.ts',
  'test/e2e/{backup,gateway,gateway-abuse,session-resumption}.test.ts',
];
const resolve = { conditions };
/** How long what is polled for may take: a stalled disk alone can take a second. */
const poll = { poll: { timeout: 10_000 } };
const ssr = { resolve: { conditions, externalConditions: conditions } };

export default defineConfig({
  test: {
    // The default leaves a core free, which on two cores is half of them.
    maxWorkers: availableParallelism(),
    projects: [
      {
        resolve,
        ssr,
        test: {
          name: 'unit',
          include: [
            'agent/src/**/*.test.ts',
            'coordinator/*/src/**/*.test.ts',
            'shared/*/src/**/*.test.ts',
            'scripts/**/*.test.ts',
          ],
          expect: poll,
          testTimeout: 20_000,
        },
      },
      { resolve, ssr, test: { name: 'arch', include: ['test/arch/**/*.test.ts'], testTimeout: 120_000 } },
      {
        resolve,
        ssr,
        // Builds container images, which takes minutes on a fresh engine: run by `npm test -- --all`.
        test: {
          name: 'packaging',
          include: ['test/packaging/**/*.test.ts'],
          fileParallelism: false,
          expect: poll,
          testTimeout: 300_000,
          hookTimeout: 900_000,
        },
      },
      {
        resolve,
        ssr,
        test: {
          name: 'loopback',
          include: loopbackTests,
          expect: poll,
          testTimeout: 300_000,
          hookTimeout: 300_000,
        },
      },
      {
        resolve,
        ssr,
        test: {
          name: 'real',
          include: ['test/{e2e,chaos}/**/*.test.ts'],
          exclude: loopbackTests,
          // Real engines and processes that are killed, on a small machine: one file at a time.
          fileParallelism: false,
          expect: poll,
          testTimeout: 300_000,
          hookTimeout: 300_000,
        },
      },
    ],
  },
});
