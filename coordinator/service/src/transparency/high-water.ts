import { existsSync, readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';

/** Each slot is overwritten in place, so that a full disk does not keep the mark from rising. */
const slotBytes = 4096;

/**
 * How long the log once was, in a file of its own: signed checkpoints of its size and root, the newest two. SQLite drops what
 * follows a damaged page of its write-ahead log without a word, and this file is what notices that. They are written in turn,
 * so that a crash in the middle of a write leaves the older one.
 */
export class HighWaterFile {
  readonly #path: string;
  /** The one that is written next. */
  #slot: number;
  #size = -1;
  /** Writes, one after the other. */
  #last: Promise<void> = Promise.resolve();

  constructor(dataDir: string) {
    this.#path = highWaterPath(dataDir);
    const [first, second] = slotsOf(this.#path);
    this.#slot = sizeOf(first) > sizeOf(second) ? 1 : 0;
  }

  /** Resolves once the file says that the log had this size. `note` is its signed checkpoint. */
  raise(size: number, note: string): Promise<void> {
    const raised = this.#last.then(() => this.#write(size, note));
    // The next write is tried whatever came of this one.
    this.#last = raised.catch(() => undefined);
    return raised;
  }

  async #write(size: number, note: string): Promise<void> {
    if (size <= this.#size) return;
    const slot = Buffer.alloc(slotBytes);
    if (Buffer.byteLength(note) > slotBytes) throw new RangeError('a checkpoint fits a slot');
    slot.write(note);
    const file = await open(this.#path, existsSync(this.#path) ? 'r+' : 'w', 0o600);
    try {
      await file.write(slot, 0, slotBytes, this.#slot * slotBytes);
      await file.sync();
    } finally {
      await file.close();
    }
    this.#slot = 1 - this.#slot;
    this.#size = size;
  }
}

/** The notes of the file, newest first; none where there is no file. */
export function readHighWater(dataDir: string): readonly string[] {
  return slotsOf(highWaterPath(dataDir))
    .filter((note) => note !== '')
    .sort((a, b) => sizeOf(b) - sizeOf(a));
}

export function highWaterPath(dataDir: string): string {
  return join(dataDir, highWaterName);
}
export const highWaterName = 'coordinator.high-water';

function slotsOf(path: string): readonly [string, string] {
  if (!existsSync(path)) return ['', ''];
  const bytes = readFileSync(path);
  const slot = (index: number): string =>
    bytes.toString('utf8', index * slotBytes, (index + 1) * slotBytes).replace(/\0+$/, '');
  return [slot(0), slot(1)];
}

/** As its second line says. Nothing is trusted yet. */
function sizeOf(note: string): number {
  const size = Number(note.split('\n')[1] ?? -1);
  return Number.isSafeInteger(size) ? size : -1;
}
