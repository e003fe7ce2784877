import { Buffer } from 'node:buffer';
import { Readable, Writable } from 'node:stream';
import { disk, FileError, type StoredFile, writeAt } from '../kernel/disk.ts';
import { kernel } from '../kernel/kernel.ts';

/** In the place of node:fs, as far as coordinator and agent use it at all. */
export const constants = { O_RDWR: 2, O_CREAT: 64 } as const;

const handles = new Map<number, StoredFile>();
let nextHandle = 10;

export function existsSync(path: string): boolean {
  return disk().find(path) !== undefined;
}
/** What is looked at like this is a file that was seen to be there. */
export function statSync(): { readonly mode: number; isFile(): boolean } {
  return { mode: 0o600, isFile: () => true };
}
export function statfsSync(): { readonly blocks: number; readonly bsize: number } {
  return { blocks: 2 ** 28, bsize: 4096 };
}
export function mkdirSync(path: string): void {
  disk().makeFolder(path);
}
export function readdirSync(path: string): string[] {
  return disk().list(path);
}
export function readFileSync(path: string, encoding?: 'utf8'): string | Buffer {
  const file = disk().file(path);
  if (encoding === undefined) return Buffer.from(file.bytes.subarray(0, file.size));
  return file.bytes.toString(encoding, 0, file.size);
}
export function openSync(path: string, flags: string): number {
  kernel().current.effect();
  if (disk().isFull(path)) throw new FileError('ENOSPC', path);
  const handle = nextHandle++;
  handles.set(handle, disk().write(path, flags));
  return handle;
}
export function writeSync(handle: number, text: string): void {
  const file = handles.get(handle);
  if (file === undefined) throw new FileError('EBADF', `${handle}`);
  writeAt(file, Buffer.from(text), file.size);
}
export function fsyncSync(): void {}
export function renameSync(from: string, to: string): void {
  disk().rename(from, to);
}
export function closeSync(handle: number): void {
  handles.delete(handle);
}
export function chmodSync(): void {}

export function createReadStream(
  path: string,
  range: { readonly start?: number; readonly end?: number } = {},
): Readable {
  const found = disk().find(path);
  if (found === undefined || found === 'folder') {
    return new Readable({
      read() {
        this.destroy(new FileError('ENOENT', path));
      },
    });
  }
  const end = Math.min(found.size, (range.end ?? found.size) + 1);
  return Readable.from([Buffer.from(found.bytes.subarray(range.start ?? 0, end))]);
}

export function createWriteStream(path: string, options: { readonly flags?: string } = {}): Writable {
  const file = disk().write(path, options.flags ?? 'w');
  const { current } = kernel();
  return new Writable({
    write(chunk: Buffer, _, done) {
      kernel().schedule(0.1, current, 'disk write', () => {
        if (disk().isFull(path)) return done(new FileError('ENOSPC', path));
        writeAt(file, chunk, file.size);
        done();
      });
    },
  });
}

export function rmSync(path: string, options: { readonly force?: boolean } = {}): void {
  disk().remove(path, options.force === true);
}
