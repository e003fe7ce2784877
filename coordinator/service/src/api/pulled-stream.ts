import { Readable } from 'node:stream';

/** Text that a client has not taken yet; the generator waits once there is more. */
const bufferBytes = 64 * 1024;

/**
 * A stream that takes from a generator only what its reader has room for. A reader that takes nothing for
 * `stallMs` while there is something to take is cut off.
 */
export class PulledStream extends Readable {
  readonly #parts: AsyncGenerator<string | Uint8Array, void, void>;
  readonly #stop: AbortController;
  readonly #stallMs: number;
  #pulling = false;
  #stall: NodeJS.Timeout | undefined;

  /** `make` gets a signal that aborts when the reader has gone. */
  constructor(
    make: (signal: AbortSignal) => AsyncGenerator<string | Uint8Array, void, void>,
    stallMs: number,
  ) {
    super({ highWaterMark: bufferBytes });
    this.#stop = new AbortController();
    this.#parts = make(this.#stop.signal);
    this.#stallMs = stallMs;
  }

  override _read(): void {
    clearTimeout(this.#stall);
    if (this.#pulling) return;
    this.#pulling = true;
    this.#parts.next().then(
      ({ done, value }) => {
        this.#pulling = false;
        if (done === true) {
          this.push(null);
          return;
        }
        if (this.push(value)) return;
        this.#stall = setTimeout(() => this.destroy(new Error('the reader is too slow')), this.#stallMs);
      },
      (error: unknown) => this.destroy(error instanceof Error ? error : new Error(String(error))),
    );
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    clearTimeout(this.#stall);
    this.#stop.abort();
    const end = () => done(error);
    this.#parts.return().then(end, end);
  }
}
