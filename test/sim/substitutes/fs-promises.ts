import { Buffer } from 'node:buffer';
import { disk, FileError, type StoredFile, writeAt } from '../kernel/disk.ts';
import { kernel } from '../kernel/kernel.ts';

/** In the place of node:fs/promises: files of the simulated disk. Each call is done when the disk comes to it. */
const fewMs = 0.05;
const spreadMs = 0.2;

function whenDone<T>(what: string, path: string, work: () => T): Promise<T> {
  const { current } = kernel();
  return new Promise((resolve, reject) => {
    const delayMs = fewMs + current.random.next() * spreadMs;
    kernel().schedule(delayMs, current, `disk ${what}`, () => {
      try {
        if (what !== 'read') {
          current.effect();
          if (what === 'write' && disk().isFull(path)) throw new FileError('ENOSPC', path);
        }
        resolve(work());
      } catch (error) {
        reject(error instanceof Error ? error : new Error('the disk failed', { cause: error }));
      }
    });
  });
}

interface Stats {
  readonly size: number;
  readonly mtimeMs: number;
  isDirectory(): boolean;
}

function statsOf(path: string): Stats {
  const found = disk().find(path);
  if (found === undefined) throw new FileError('ENOENT', path);
  return found === 'folder'
    ? { size: 0, mtimeMs: 0, isDirectory: () => true }
    : { size: found.size, mtimeMs: found.mtimeMs, isDirectory: () => false };
}

function textOf(data: string | Uint8Array): Uint8Array {
  return typeof data === 'string' ? Buffer.from(data) : data;
}

class FileHandle {
  readonly #path: string;
  readonly #file: StoredFile;

  constructor(path: string, file: StoredFile) {
    this.#path = path;
    this.#file = file;
  }

  stat(): Promise<{ readonly size: number }> {
    return Promise.resolve({ size: this.#file.size });
  }
  appendFile(bytes: Uint8Array): Promise<void> {
    return whenDone('write', this.#path, () => writeAt(this.#file, bytes, this.#file.size));
  }
  write(
    data: string | Uint8Array,
    from = 0,
    length?: number,
    position?: number,
  ): Promise<{ bytesWritten: number }> {
    const bytes = textOf(data);
    const part = bytes.subarray(from, from + (length ?? bytes.length - from));
    return whenDone('write', this.#path, () => {
      writeAt(this.#file, part, position ?? this.#file.size);
      return { bytesWritten: part.length };
    });
  }
  read(into: Uint8Array, at: number, length: number, position: number): Promise<{ bytesRead: number }> {
    return whenDone('read', this.#path, () => {
      const end = Math.min(this.#file.size, position + length);
      const part = this.#file.bytes.subarray(position, Math.max(position, end));
      into.set(part, at);
      return { bytesRead: part.length };
    });
  }
  truncate(size: number): Promise<void> {
    this.#file.size = Math.min(this.#file.size, size);
    return Promise.resolve();
  }
  sync(): Promise<void> {
    return whenDone('sync', this.#path, () => undefined);
  }
  datasync(): Promise<void> {
    return this.sync();
  }
  close(): Promise<void> {
    return Promise.resolve();
  }
}

export function open(path: string, flags: string | number = 'r'): Promise<FileHandle> {
  // As numbers only to read and write what is there, or what is made.
  const mode = typeof flags === 'number' ? 'a' : flags;
  return whenDone(mode === 'r' ? 'read' : 'write', path, () => {
    const file = mode === 'r' ? disk().file(path) : disk().write(path, mode);
    return new FileHandle(path, file);
  });
}
export function stat(path: string): Promise<Stats> {
  return whenDone('read', path, () => statsOf(path));
}
export function mkdir(path: string): Promise<void> {
  return whenDone('mkdir', path, () => disk().makeFolder(path));
}
export function readdir(path: string): Promise<string[]> {
  return whenDone('read', path, () => disk().list(path));
}
export function rename(from: string, to: string): Promise<void> {
  return whenDone('rename', from, () => disk().rename(from, to));
}
export function rm(path: string, options: { readonly force?: boolean } = {}): Promise<void> {
  return whenDone('remove', path, () => disk().remove(path, options.force === true));
}
export function truncate(path: string, size = 0): Promise<void> {
  return whenDone('truncate', path, () => {
    const file = disk().file(path);
    file.size = Math.min(file.size, size);
  });
}
export function utimes(path: string, _: Date, changed: Date): Promise<void> {
  return whenDone('utimes', path, () => {
    disk().file(path).mtimeMs = changed.getTime();
  });
}
export function readFile(path: string): Promise<string> {
  return whenDone('read', path, () => {
    const file = disk().file(path);
    return file.bytes.toString('utf8', 0, file.size);
  });
}
export function writeFile(path: string, text: string): Promise<void> {
  return whenDone('write', path, () => writeAt(disk().write(path, 'w'), Buffer.from(text), 0));
}
/** A disk of 64 GiB, which is empty or full. */
export function statfs(
  path: string,
): Promise<{ readonly bavail: number; readonly blocks: number; readonly bsize: number }> {
  return whenDone('read', path, () => ({
    bavail: disk().isFull(path) ? 0 : 2 ** 24,
    blocks: 2 ** 24,
    bsize: 4096,
  }));
}
