import { constants } from 'node:fs';
import { lstat, mkdir, open, readlink, rename, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';

/** What was asked for would lie elsewhere, or would be written through a link. */
export class UnsafePath extends Error {
  override readonly name = 'UnsafePath';
}

const isWindows = process.platform === 'win32';

/**
 * The folder of one task's outputs on this machine. Paths, links and archives come from strangers: nothing that they say is
 * written outside of the folder, and nothing through a link.
 */
export class OutputFolder {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  /** Where a file goes; its folder is there afterwards. Throws UnsafePath. */
  async fileFor(path: string): Promise<string> {
    const parts = partsOf(path);
    await this.#makeFolder(parts.slice(0, -1));
    const file = join(this.#root, ...parts);
    // A link that an earlier download made here is replaced, not followed.
    if ((await lstatOf(file))?.isSymbolicLink() === true) await rm(file);
    return file;
  }

  /** Throws UnsafePath. */
  async write(path: string, chunks: AsyncIterable<Uint8Array>): Promise<string> {
    const file = await this.fileFor(path);
    const partial = `${file}.part`;
    await rm(partial, { force: true });
    const handle = await open(partial, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o666);
    try {
      for await (const chunk of chunks) await handle.writeFile(chunk);
    } finally {
      await handle.close();
    }
    await rename(partial, file);
    return file;
  }

  /** Makes a symbolic link to what lies in this folder, and is no link itself. Throws UnsafePath. */
  async link(path: string, target: string): Promise<string> {
    const parts = partsOf(path);
    const aim = aimOf(parts.slice(0, -1), target);
    await this.#makeFolder(parts.slice(0, -1));
    const place = join(this.#root, ...aim);
    let found = await lstatOf(place);
    // A folder without files is in no list of outputs.
    if (found === undefined) await this.#makeFolder(aim);
    else await this.#makeFolder(aim.slice(0, -1));
    found = await lstatOf(place);
    if (found === undefined || found.isSymbolicLink()) throw new UnsafePath(`${path} leads to a link`);
    const link = join(this.#root, ...parts);
    const there = await lstatOf(link);
    if (there?.isSymbolicLink() === true) {
      if ((await readlink(link)) === target) return link;
      await rm(link);
    } else if (there !== undefined) throw new UnsafePath(`${link} exists and is no link`);
    await symlink(target, link, found.isDirectory() ? 'dir' : 'file');
    return link;
  }

  async #makeFolder(parts: readonly string[]): Promise<void> {
    await mkdir(this.#root, { recursive: true });
    let at = this.#root;
    for (const part of parts) {
      at = join(at, part);
      try {
        await mkdir(at);
      } catch (error) {
        if ((await lstatOf(at))?.isDirectory() === true) continue;
        throw (await lstatOf(at)) === undefined ? error : new UnsafePath(`${at} is a link or a file`);
      }
    }
  }
}

/** Throws UnsafePath where a path is no plain one. */
function partsOf(path: string): readonly string[] {
  const parts = path.split('/').filter((part) => part !== '');
  if (parts.length === 0 || !parts.every(isPlain))
    throw new UnsafePath(`${JSON.stringify(path)} is no plain path`);
  return parts;
}

function isPlain(part: string): boolean {
  return part !== '.' && part !== '..' && !part.includes('\0') && !(isWindows && /[\\:]/.test(part));
}

/** Where a link leads, from the folder that it lies in. */
function aimOf(folder: readonly string[], target: string): readonly string[] {
  const aim = [...folder];
  if (target.startsWith('/')) throw new UnsafePath(`the link ${JSON.stringify(target)} is absolute`);
  for (const part of target.split('/')) {
    if (part === '' || part === '.') continue;
    if (part === '..') {
      if (aim.pop() === undefined)
        throw new UnsafePath(`the link ${JSON.stringify(target)} leads out of the folder`);
    } else if (isPlain(part)) aim.push(part);
    else throw new UnsafePath(`the link ${JSON.stringify(target)} is no plain path`);
  }
  return aim;
}

async function lstatOf(path: string) {
  try {
    return await lstat(path);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    if (error instanceof Error && 'code' in error && error.code === 'ENOTDIR') return undefined;
    throw error;
  }
}
