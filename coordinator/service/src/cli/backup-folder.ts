import { createHash } from 'node:crypto';
import { type Dirent, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { type FileHandle, link, lstat, mkdir, open, readdir, rename, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import Type from 'typebox';
import { makeDataFolder } from '../store/data-folder.ts';
import { CommandRefused } from './failure.ts';

export const manifestName = 'manifest.json';
/** Named by their SHA-256, so the manifest does not list them; the database says which there must be. */
export const contentName = 'content';
export const contentFolder = join('artifacts', contentName);

const Sha256 = Type.String({ pattern: '^[0-9a-f]{64}$' });
const pathPattern = '^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$';
const BackupFileSchema = Type.Object({
  path: Type.String({ pattern: pathPattern }),
  bytes: Type.Integer({ minimum: 0 }),
  sha256: Sha256,
});
export const ManifestSchema = Type.Object({
  version: Type.Literal(1),
  name: Type.String({ minLength: 1 }),
  takenAt: Type.Integer({ minimum: 0 }),
  /** The checkpoint is a signed note of size and root. */
  log: Type.Object({ size: Type.Integer({ minimum: 1 }), root: Sha256, checkpoint: Type.String() }),
  files: Type.Array(BackupFileSchema),
});
export type Manifest = Type.Static<typeof ManifestSchema>;
export type BackupFile = Type.Static<typeof BackupFileSchema>;

/** Whether a manifest can name it, so that it can be restored. */
export function isBackupPath(path: string): boolean {
  return new RegExp(pathPattern).test(path);
}

/**
 * Makes a folder under another name, and gives it its own once `fill` has put everything into it and it is on stable
 * storage: a folder under that name is whole. Throws CommandRefused where something is there already.
 */
export async function makeFolder<T>(path: string, fill: (folder: string) => Promise<T>): Promise<T> {
  const target = resolve(path);
  if (existsSync(target) && !(await isEmptyFolder(target)))
    throw new CommandRefused({
      code: 'config.invalid',
      message: `${target} is there already.`,
      hint: 'Name a folder that does not exist yet.',
    });
  makeDataFolder(dirname(target));
  const partial = mkdtempSync(`${target}.partial-`);
  try {
    const result = await fill(partial);
    await syncFolders(partial);
    // Over an empty folder a rename succeeds; over a full one that came meanwhile it does not.
    await rename(partial, target);
    await syncPath(dirname(target));
    return result;
  } catch (error) {
    rmSync(partial, { recursive: true, force: true });
    throw error;
  }
}

async function isEmptyFolder(path: string): Promise<boolean> {
  return (await stat(path)).isDirectory() && (await readdir(path)).length === 0;
}

/** Files, links and what else is no folder below a folder, as paths relative to it; none where it is missing. */
export async function listFiles(folder: string, below = ''): Promise<readonly string[]> {
  const found: string[] = [];
  for (const entry of await entriesOf(join(folder, below))) {
    const path = below === '' ? entry.name : `${below}/${entry.name}`;
    if (entry.isDirectory()) found.push(...(await listFiles(folder, path)));
    else found.push(path);
  }
  return found;
}

/** None where the folder is missing. */
export async function entriesOf(folder: string): Promise<readonly Dirent[]> {
  return (await readdir(folder, { withFileTypes: true }).catch(ignoreMissing)) ?? [];
}

const chunkBytes = 1024 * 1024;

/** Copies what there is of a file that may grow, with its time, readable by the owner only. Undefined: it is gone. */
export async function copyFile(
  from: string,
  to: string,
): Promise<{ readonly bytes: number; readonly sha256: string } | undefined> {
  const source = await open(from, 'r').catch(ignoreMissing);
  if (source === undefined) return undefined;
  try {
    await mkdir(dirname(to), { recursive: true, mode: 0o700 });
    const target = await open(to, 'w', 0o600);
    try {
      const copied = await pump(source, target);
      const { atime, mtime } = await source.stat();
      await target.utimes(atime, mtime);
      await target.sync();
      return copied;
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}

async function pump(source: FileHandle, target: FileHandle) {
  const hash = createHash('sha256');
  const buffer = Buffer.allocUnsafe(chunkBytes);
  let bytes = 0;
  for (;;) {
    const { bytesRead } = await source.read(buffer, 0, chunkBytes, bytes);
    if (bytesRead === 0) return { bytes, sha256: hash.digest('hex') };
    const chunk = buffer.subarray(0, bytesRead);
    hash.update(chunk);
    await target.writeFile(chunk);
    bytes += bytesRead;
  }
}

/** A file that never changes, under a second name where the file system has such, else as a copy. False: it is gone, or no file. */
export async function linkFile(from: string, to: string): Promise<boolean> {
  if ((await lstat(from).catch(ignoreMissing))?.isFile() !== true) return false;
  await mkdir(dirname(to), { recursive: true, mode: 0o700 });
  try {
    await link(from, to);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return true;
    if (code === 'ENOENT') return false;
  }
  return (await copyFile(from, to)) !== undefined;
}

/** Of what is in the file `path`. */
export async function hashFile(
  path: string,
): Promise<{ readonly bytes: number; readonly sha256: string } | undefined> {
  const file = await open(path, 'r').catch(ignoreMissing);
  if (file === undefined) return undefined;
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of file.createReadStream({ highWaterMark: chunkBytes })) {
    hash.update(chunk as Buffer);
    bytes += (chunk as Buffer).length;
  }
  return { bytes, sha256: hash.digest('hex') };
}

export async function syncPath(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

/** So that the names in them survive a power cut, too. */
async function syncFolders(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true }))
    if (entry.isDirectory()) await syncFolders(join(folder, entry.name));
  await syncPath(folder);
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT' && error.code !== 'ENOTDIR') throw error;
}
