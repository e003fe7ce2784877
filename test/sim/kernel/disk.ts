import { DatabaseFile } from './database-file.ts';

export class FileError extends Error {
  readonly code: string;

  constructor(code: string, path: string) {
    super(`${code}: ${path}`);
    this.code = code;
  }
}

export interface StoredFile {
  bytes: Buffer;
  size: number;
  mtimeMs: number;
}
type Folder = Map<string, Folder | StoredFile>;

function isFolder(entry: Folder | StoredFile | undefined): entry is Folder {
  return entry instanceof Map;
}

/** All files of the simulated machines: the first part of a path names the machine. They outlive every process. */
export class Disk {
  readonly #databases = new Map<string, DatabaseFile>();
  readonly #root: Folder = new Map();
  /** Machines whose disk takes no more. */
  readonly #full = new Set<string>();

  database(path: string): DatabaseFile {
    let file = this.#databases.get(path);
    if (file === undefined) {
      file = new DatabaseFile(path);
      this.#databases.set(path, file);
      if (this.find(path) === undefined) this.write(path, 'a');
    }
    return file;
  }

  setFull(machine: string, isFull: boolean): void {
    if (isFull) this.#full.add(machine);
    else this.#full.delete(machine);
  }

  isFull(path: string): boolean {
    return this.#full.size > 0 && this.#full.has(machineOf(path));
  }

  /** What is under a folder now, to be put back later: a backup. */
  copy(folder: string): () => void {
    const files = cloneFolder(this.#folder(folder));
    const databases = [...this.#databases.values()]
      .filter(({ path }) => path.startsWith(`${folder}/`))
      .map(({ path, database }) => ({ path, bytes: database.serialize() }));
    return () => {
      const target = this.#folder(folder);
      target.clear();
      for (const [name, entry] of cloneFolder(files)) target.set(name, entry);
      for (const { path, bytes } of databases) this.#databases.set(path, new DatabaseFile(path, bytes));
    };
  }

  close(): void {
    for (const { database } of this.#databases.values()) database.close();
    this.#databases.clear();
  }

  find(path: string): StoredFile | 'folder' | undefined {
    const { folder, name } = this.#place(path);
    const entry = name === '' ? folder : folder?.get(name);
    return isFolder(entry) ? 'folder' : entry;
  }

  file(path: string): StoredFile {
    const found = this.find(path);
    if (found === undefined) throw new FileError('ENOENT', path);
    if (found === 'folder') throw new FileError('EISDIR', path);
    return found;
  }

  /** As open(2) with these flags would give it. */
  write(path: string, flags: string): StoredFile {
    const { folder, name } = this.#place(path);
    if (folder === undefined) throw new FileError('ENOENT', path);
    const found = folder.get(name);
    if (isFolder(found)) throw new FileError('EISDIR', path);
    if (found !== undefined) {
      if (flags.includes('x')) throw new FileError('EEXIST', path);
      if (flags.startsWith('w')) found.size = 0;
      return found;
    }
    if (flags.startsWith('r')) throw new FileError('ENOENT', path);
    const made: StoredFile = { bytes: Buffer.alloc(0), size: 0, mtimeMs: Date.now() };
    folder.set(name, made);
    return made;
  }

  makeFolder(path: string): void {
    this.#folder(path);
  }

  list(path: string): string[] {
    const { folder, name } = this.#place(path);
    const entry = name === '' ? folder : folder?.get(name);
    if (!isFolder(entry)) throw new FileError('ENOENT', path);
    return [...entry.keys()].sort();
  }

  remove(path: string, force: boolean): void {
    const { folder, name } = this.#place(path);
    if (folder?.delete(name) !== true && !force) throw new FileError('ENOENT', path);
  }

  rename(from: string, to: string): void {
    const source = this.#place(from);
    const target = this.#place(to);
    const entry = source.folder?.get(source.name);
    if (entry === undefined || target.folder === undefined) throw new FileError('ENOENT', from);
    source.folder?.delete(source.name);
    target.folder.set(target.name, entry);
  }

  #place(path: string): { readonly folder: Folder | undefined; readonly name: string } {
    const parts = path.split('/').filter((part) => part !== '');
    const name = parts.pop() ?? '';
    let folder: Folder | undefined = this.#root;
    for (const part of parts) {
      const next: Folder | StoredFile | undefined = folder.get(part);
      if (!isFolder(next)) return { folder: undefined, name };
      folder = next;
    }
    return { folder, name };
  }

  #folder(path: string): Folder {
    let folder = this.#root;
    for (const part of path.split('/').filter((part) => part !== '')) {
      let next = folder.get(part);
      if (next === undefined) {
        next = new Map();
        folder.set(part, next);
      }
      if (!isFolder(next)) throw new FileError('ENOTDIR', path);
      folder = next;
    }
    return folder;
  }
}

export function writeAt(file: StoredFile, bytes: Uint8Array, offset: number): void {
  const end = offset + bytes.length;
  if (end > file.bytes.length) {
    const larger = Buffer.alloc(Math.max(end, 2 * file.bytes.length));
    file.bytes.copy(larger, 0, 0, file.size);
    file.bytes = larger;
  }
  file.bytes.set(bytes, offset);
  file.size = Math.max(file.size, end);
  file.mtimeMs = Date.now();
}

function machineOf(path: string): string {
  return path.slice(1, path.indexOf('/', 1));
}

function cloneFolder(folder: Folder): Folder {
  return new Map(
    [...folder].map(([name, entry]) => [
      name,
      isFolder(entry) ? cloneFolder(entry) : { ...entry, bytes: Buffer.from(entry.bytes) },
    ]),
  );
}

let active: Disk | undefined;

export function disk(): Disk {
  if (active === undefined) throw new Error('no simulation is running');
  return active;
}

export function setDisk(next: Disk | undefined): void {
  active = next;
}
