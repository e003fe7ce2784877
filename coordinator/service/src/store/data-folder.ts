import { existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Makes the folder, and those above it, for its owner alone; one that is there stays as it is. Node's own `recursive` tries
 * again for ever where a file system answers ENOENT to every new folder, as /proc does.
 */
export function makeDataFolder(folder: string): void {
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'EEXIST' && statSync(folder).isDirectory()) return;
    if (code !== 'ENOENT' || existsSync(dirname(folder))) throw error;
    makeDataFolder(dirname(folder));
    makeDataFolder(folder);
  }
}
