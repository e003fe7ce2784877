import type { CommandSequencer } from './command-sequencer.ts';
import type { SnapshotFiles } from './snapshot-files.ts';
import { writeState } from './state-writer.ts';

export interface SnapshotterParts {
  readonly sequencer: CommandSequencer;
  readonly files: SnapshotFiles;
  /** Root of the log at a durable size, hex. */
  readonly rootAt: (size: number) => string;
  /** Size of the newest snapshot. */
  readonly from: number;
  readonly everyEvents: number;
  /** Whether the disk has room for one. */
  readonly hasRoom: () => boolean;
  /** A snapshot only saves time, so a failed one is told and the next one tried. */
  readonly onFailure: (error: unknown) => void;
}

/** Writes a snapshot every so many events, and one on request. */
export class Snapshotter {
  readonly #parts: SnapshotterParts;
  readonly #unfollow: () => void;
  #last: number;
  #busy: Promise<void> | undefined;

  constructor(parts: SnapshotterParts) {
    this.#parts = parts;
    this.#last = parts.from;
    this.#unfollow = parts.sequencer.onCommitted((events) => {
      const size = (events.at(-1)?.index ?? 0) + 1;
      if (size - this.#last >= parts.everyEvents) void this.save();
    });
  }

  /** Resolves when a snapshot of the present state is on disk, or could not be written. */
  save(): Promise<void> {
    this.#busy ??= this.#save().finally(() => {
      this.#busy = undefined;
    });
    return this.#busy;
  }

  stop(): Promise<void> {
    this.#unfollow();
    return this.#busy ?? Promise.resolve();
  }

  async #save(): Promise<void> {
    const { sequencer, files, hasRoom, rootAt, onFailure } = this.#parts;
    if (!hasRoom()) return;
    try {
      const { size, capture, durable } = sequencer.capture();
      if (size === this.#last) {
        capture.close();
        return;
      }
      this.#last = size;
      try {
        await files.save({
          size,
          write: (take) =>
            writeState(capture, 'record-per-line', (block) => {
              // The disk is the log's before it is a snapshot's.
              if (!hasRoom()) throw new Error('the disk has become low');
              return take(block);
            }),
          root: async () => {
            await durable;
            return rootAt(size);
          },
        });
      } finally {
        // Where the file cannot be made, nobody reads the capture, and it would copy what changes for ever.
        capture.close();
      }
    } catch (error) {
      onFailure(error);
    }
  }
}
