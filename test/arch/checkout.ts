import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Sources } from './imports.ts';

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** Every file of this checkout but those in ignored folders. Asks no git, which a copy of the sources may lack. */
export function checkoutPaths(): readonly string[] {
  const ignored = readCheckout('.gitignore')
    .split('\n')
    .filter((line) => /^[\w.-]+\/$/.test(line))
    .map((line) => line.slice(0, -1));
  return filesBelow('', new Set([...ignored, '.git']));
}

function filesBelow(folder: string, ignored: ReadonlySet<string>): readonly string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
    if (!entry.isDirectory()) return [path];
    return ignored.has(entry.name) ? [] : filesBelow(path, ignored);
  });
}

export const readCheckout = (path: string): string => readFileSync(join(root, path), 'utf8');

export function checkoutSources(): Sources {
  const paths = checkoutPaths().filter((path) => /\.m?ts$/.test(path) && !path.startsWith('test/fixtures/'));
  return new Map(paths.map((path) => [path, readCheckout(path)]));
}
