import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { type FileHandle, open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';

/** Kept besides the newest, for when that one turns out to be damaged. */
const kept = 2;
const namePattern = /^([0-9]{16})\.json$/;
const temporaryPattern = /^[0-9]{16}\.json\.tmp$/;
/** Two SHA-256 in hex with a space between, and a newline. */
const headerBytes = 64 + 1 + 64 + 1;

export interface Snapshot {
  /** Events that led to it. */
  readonly size: number;
  /** RFC 6962 root of the log of that size, hex: a snapshot of another history is none of ours. */
  readonly root: string;
  /** The encoded state, line by line: all of it may be more than one string can hold. */
  readonly lines: () => Iterable<string>;
}

/** One that is to be written. */
export interface NewSnapshot {
  readonly size: number;
  /** Hands the text over, block by block. */
  readonly write: (take: (block: string) => Promise<void>) => Promise<void>;
  /** Asked for once the text is written. */
  readonly root: () => Promise<string>;
}

/**
 * State snapshots, a file each: a line with the SHA-256 of the rest and the root
 * of the log, then the encoded state. They only save time: a
 * missing or damaged one is passed over, and the log is replayed from an earlier one or from the start.
 */
export class SnapshotFiles {
  readonly #folder: string;

  constructor(dataDir: string) {
    this.#folder = join(dataDir, 'snapshots');
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    for (const name of readdirSync(this.#folder))
      if (temporaryPattern.test(name)) rmSync(join(this.#folder, name));
  }

  /** Readable ones of this log, newest first. `rootAt` gives the root of the log at a size up to `logSize`. */
  *list(logSize: number, rootAt: (size: number) => string): Generator<Snapshot> {
    for (const name of sorted(readdirSync(this.#folder))) {
      const size = sizeOf(name);
      if (size > logSize) continue;
      const snapshot = read(join(this.#folder, name), size);
      if (snapshot !== undefined && snapshot.root === rootAt(size)) yield snapshot;
    }
  }

  /** Events of the newest one, readable or not; 0 where there is none. The log was at least as long. */
  newestSize(): number {
    const [newest] = sorted(readdirSync(this.#folder));
    return newest === undefined ? 0 : sizeOf(newest);
  }

  async save({ size, write, root }: NewSnapshot): Promise<void> {
    const path = join(this.#folder, `${`${size}`.padStart(16, '0')}.json`);
    const temporary = `${path}.tmp`;
    try {
      const file = await open(temporary, 'w', 0o600);
      try {
        const hash = createHash('sha256');
        let position = headerBytes;
        await write(async (block) => {
          hash.update(block);
          position += await writeWhole(file, Buffer.from(block), position);
        });
        await writeWhole(file, Buffer.from(`${hash.digest('hex')} ${await root()}\n`), 0);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
    for (const old of sorted(await readdir(this.#folder)).slice(kept)) await rm(join(this.#folder, old));
  }
}

function sorted(names: readonly string[]): readonly string[] {
  return names
    .filter((name) => namePattern.test(name))
    .sort()
    .reverse();
}

function sizeOf(name: string): number {
  return Number(namePattern.exec(name)?.[1] ?? Number.NaN);
}

async function writeWhole(file: FileHandle, bytes: Buffer, position: number): Promise<number> {
  let written = 0;
  while (written < bytes.length) {
    const rest = bytes.length - written;
    written += (await file.write(bytes, written, rest, position + written)).bytesWritten;
  }
  return written;
}

/** Undefined where it cannot be read, whatever the reason: more than 2 GiB, or a disk that fails there. */
function read(path: string, size: number): Snapshot | undefined {
  try {
    const bytes = readFileSync(path);
    const [hash, root = ''] = bytes.toString('latin1', 0, headerBytes - 1).split(' ');
    const body = bytes.subarray(headerBytes);
    if (hash !== createHash('sha256').update(body).digest('hex')) return undefined;
    return { size, root, lines: () => linesOf(body) };
  } catch {
    return undefined;
  }
}

function* linesOf(body: Buffer): Generator<string, void, undefined> {
  for (let start = 0; start < body.length; ) {
    const lineBreak = body.indexOf(0x0a, start);
    const end = lineBreak < 0 ? body.length : lineBreak;
    yield body.toString('utf8', start, end);
    start = end + 1;
  }
}
