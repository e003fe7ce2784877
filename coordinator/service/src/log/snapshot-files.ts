import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Sha256Hex } from '@capacloud/protocol/ids';

/** Kept besides the newest, for when that one turns out to be damaged. */
const kept = 2;
const namePattern = /^([0-9]{16})\.json$/;

export interface Snapshot {
  /** Events that led to it. */
  readonly size: number;
  /** RFC 6962 root of the log of that size, hex: a snapshot of another history is none of ours. */
  readonly root: string;
  readonly text: string;
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
  }

  /** Readable ones of this log, newest first. `rootAt` gives the root of the log at a size up to `logSize`. */
  *list(logSize: number, rootAt: (size: number) => string): Generator<Snapshot> {
    for (const name of sorted(readdirSync(this.#folder))) {
      const size = sizeOf(name);
      if (size > logSize) continue;
      const snapshot = parse(readFileSync(join(this.#folder, name), 'utf8'), size);
      if (snapshot !== undefined && snapshot.root === rootAt(size)) yield snapshot;
    }
  }

  async save({ size, root, text }: Snapshot): Promise<void> {
    const path = join(this.#folder, `${`${size}`.padStart(16, '0')}.json`);
    const temporary = `${path}.tmp`;
    const file = await open(temporary, 'w', 0o600);
    try {
      await file.write(`${hashOf(text)} ${root}\n${text}`);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
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

function hashOf(text: string): Sha256Hex {
  return createHash('sha256').update(text).digest('hex') as Sha256Hex;
}

function parse(file: string, size: number): Snapshot | undefined {
  const split = file.indexOf('\n');
  const [hash, root = ''] = file.slice(0, split).split(' ');
  const text = file.slice(split + 1);
  return hash === hashOf(text) ? { size, root, text } : undefined;
}
