import { existsSync } from 'node:fs';
import { lstat, readdir, realpath, rm, writeFile } from 'node:fs/promises';
import { isAbsolute, join, relative, sep } from 'node:path';
import { encodeHex } from '@capacloud/protocol/log/bytes';
import { signCheckpoint } from '@capacloud/protocol/log/checkpoint';
import { completeArtifacts, copyDatabase } from '../store/database-copy.ts';
import { lockName } from '../store/directory-lock.ts';
import { databasePath } from '../store/open-database.ts';
import { highWaterName } from '../transparency/high-water.ts';
import { logKeyName, openLogKey } from '../transparency/log-key.ts';
import {
  type BackupFile,
  contentFolder,
  contentName,
  copyFile,
  entriesOf,
  hashFile,
  isBackupPath,
  linkFile,
  listFiles,
  type Manifest,
  makeFolder,
  manifestName,
  syncPath,
} from './backup-folder.ts';
import { CommandRefused } from './failure.ts';

/** What is copied in a way or an order of its own. */
const copiedApart = ['artifacts', 'coordinator.db', 'logs', 'snapshots'];
/**
 * What a restored folder must not have: files that belong to an open database, the lock of the process, how long the log
 * was, which may be longer than the copy, and what an earlier backup or the file system left.
 */
const leftOut = [
  'coordinator.db-journal',
  'coordinator.db-shm',
  'coordinator.db-wal',
  highWaterName,
  lockName,
  'lost+found',
  manifestName,
];
/** Below `artifacts`: uploads that are not complete. */
const unfinished = 'staging';

export interface BackupReport {
  readonly folder: string;
  readonly log: Manifest['log'];
  readonly files: number;
  readonly artifacts: number;
  /** What is not in it: links, pipes, sockets and names that no backup has. */
  readonly leftOut?: readonly string[];
}

/**
 * Backs a data folder up, in use or not, without stopping its coordinator. The order matters: what the database names is
 * copied before it and, where it came meanwhile, after it, so that the backup never names an artifact that it lacks.
 * (What is collected in between has been unused for a day, and was linked before.)
 */
export async function backUp(dataDir: string, target: string, now: number): Promise<BackupReport> {
  const source = databasePath(dataDir);
  if (!existsSync(source))
    throw new CommandRefused({
      code: 'log.foreign',
      message: `There is no coordinator's data at ${dataDir}.`,
      hint: 'Name its folder with --data-dir.',
    });
  return makeFolder(target, async (folder) => {
    const backup = new Backup(dataDir, folder);
    await backup.copyEach('', [...copiedApart, ...leftOut, await ownPart(dataDir, folder)]);
    await backup.copyEach('artifacts', [contentName, unfinished]);
    await backup.linkContent(await listFiles(join(dataDir, contentFolder)));
    await backup.copyAll(join('artifacts', 'brought'));
    const head = await copyDatabase(source, databasePath(folder));
    await backup.add('coordinator.db');
    if (!existsSync(join(folder, logKeyName)))
      throw new CommandRefused({
        code: 'log.foreign',
        message: `${join(dataDir, logKeyName)} is no file.`,
        hint: 'Put the key itself there, with mode 600: a backup without it cannot be restored.',
      });
    const artifacts = await backup.keepContent(completeArtifacts(databasePath(folder)));
    await backup.copyAll(join('artifacts', 'brought'));
    await backup.copyAll('logs');
    for (const name of await readdir(join(dataDir, 'snapshots')).catch(() => []))
      if (/^[0-9]{16}\.json$/.test(name) && Number(name.slice(0, 16)) <= head.size)
        await backup.copy(join('snapshots', name));
    const checkpoint = signCheckpoint({ origin: head.name, size: head.size, root: head.root }, [
      openLogKey(folder, head.name),
    ]);
    const log = { size: head.size, root: encodeHex(head.root), checkpoint };
    const manifest: Manifest = { version: 1, name: head.name, takenAt: now, log, files: backup.files };
    await writeFile(join(folder, manifestName), `${JSON.stringify(manifest, null, 1)}\n`, { mode: 0o600 });
    await syncPath(join(folder, manifestName));
    const report = { folder: target, log, files: manifest.files.length, artifacts };
    return backup.leftOut.length === 0 ? report : { ...report, leftOut: backup.leftOut };
  });
}

/** Where the backup lies in the data folder itself: the part that must not be copied into it. Else a name that no file has. */
async function ownPart(dataDir: string, folder: string): Promise<string> {
  const inside = relative(await realpath(dataDir), await realpath(folder));
  return isAbsolute(inside) ? '' : (inside.split(sep)[0] ?? '');
}

class Backup {
  readonly #files = new Map<string, BackupFile>();
  readonly #leftOut = new Set<string>();
  readonly #from: string;
  readonly #to: string;

  constructor(from: string, to: string) {
    this.#from = from;
    this.#to = to;
  }

  get leftOut(): readonly string[] {
    return [...this.#leftOut].sort();
  }

  get files(): BackupFile[] {
    return [...this.#files.values()];
  }

  /** Nothing where there is none. What is no plain file is named: a link leads elsewhere, and a pipe never ends. */
  async copy(path: string): Promise<void> {
    const found = await lstat(join(this.#from, path)).catch(() => undefined);
    if (found === undefined) return;
    if (!found.isFile() || !isBackupPath(path)) {
      this.#leftOut.add(path);
      return;
    }
    const copied = await copyFile(join(this.#from, path), join(this.#to, path));
    if (copied !== undefined) this.#files.set(path, { path, ...copied });
  }

  async copyAll(below: string): Promise<void> {
    for (const path of await listFiles(join(this.#from, below))) await this.copy(`${below}/${path}`);
  }

  /** Files and folders in a folder, but for those that are named: what a later release adds is backed up as well. */
  async copyEach(folder: string, except: readonly string[]): Promise<void> {
    for (const entry of await entriesOf(join(this.#from, folder))) {
      if (except.includes(entry.name)) continue;
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory()) await this.copyAll(path);
      else await this.copy(path);
    }
  }

  /** A file that was put there otherwise. */
  async add(path: string): Promise<void> {
    await syncPath(join(this.#to, path));
    const hashed = await hashFile(join(this.#to, path));
    if (hashed !== undefined) this.#files.set(path, { path, ...hashed });
  }

  async linkContent(paths: readonly string[]): Promise<void> {
    for (const path of paths)
      await linkFile(join(this.#from, contentFolder, path), join(this.#to, contentFolder, path));
  }

  /** Takes away what the database does not name, and adds what is missing. Gives how many there are. */
  async keepContent(named: Iterable<string>): Promise<number> {
    const spare = new Set(await listFiles(join(this.#to, contentFolder)));
    let count = 0;
    for (const sha256 of named) {
      const path = contentPath(sha256);
      count += 1;
      if (spare.delete(path)) continue;
      const from = join(this.#from, contentFolder, path);
      if (!(await linkFile(from, join(this.#to, contentFolder, path))))
        throw new CommandRefused({
          code: 'log.damaged',
          message: `The data folder lacks the artifact ${sha256}, which its database names.`,
          hint: 'Its disk lost a file: check it, and keep the last good backup.',
        });
    }
    for (const path of spare) await rm(join(this.#to, contentFolder, path));
    return count;
  }
}

/** Below the folder of contents. */
export function contentPath(sha256: string): string {
  return `${sha256.slice(0, 2)}/${sha256.slice(2, 4)}/${sha256}`;
}
