import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Sources } from './import-graph.ts';

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** Every path of this checkout that git tracks or would track. */
export function checkoutPaths(): readonly string[] {
  const output = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  return output.split('\0').filter((path) => path !== '' && existsSync(join(root, path)));
}

export const readCheckout = (path: string): string => readFileSync(join(root, path), 'utf8');

export function checkoutSources(): Sources {
  const paths = checkoutPaths().filter((path) => /\.m?ts$/.test(path) && !path.startsWith('test/fixtures/'));
  return new Map(paths.map((path) => [path, readCheckout(path)]));
}
