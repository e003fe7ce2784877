import { registerHooks } from 'node:module';
import { replaceGlobals } from './kernel/globals.ts';

/**
 * Before any module of the product is loaded: from here on time, chance, sockets, threads and files are simulated for it.
 * The product itself knows nothing of this.
 */
const substitutes: Readonly<Record<string, string>> = {
  'better-sqlite3': 'better-sqlite3',
  ethers: 'ethers',
  'node:crypto': 'crypto',
  'node:fs': 'fs',
  'node:os': 'os',
  'node:fs/promises': 'fs-promises',
  'node:timers/promises': 'timers-promises',
  'node:worker_threads': 'worker-threads',
  ws: 'ws',
};
const product = /\/(agent|coordinator\/core|coordinator\/service|shared\/protocol)\/(src|dist)\//;

registerHooks({
  resolve(specifier, context, next) {
    const name = substitutes[specifier];
    const parent = context.parentURL;
    if (name === undefined || parent === undefined || !product.test(parent)) return next(specifier, context);
    return { url: new URL(`./substitutes/${name}.ts`, import.meta.url).href, shortCircuit: true };
  },
});
replaceGlobals();
