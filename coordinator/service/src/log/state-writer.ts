import { createHash } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { StateCapture } from '@capacloud/core/state-capture';
import type { Sha256Hex } from '@capacloud/protocol/ids';

/** Some 0.2 ms of work. */
const itemsPerPiece = 128;
/** Of one turn of the event loop; what else waits comes between. */
const sliceMs = 4;
const blockChars = 64 * 1024;

/**
 * Hands the text of the captured state over in blocks, and lets the event loop turn in between. A state hash is that of
 * the canonical text; a file has a line break around each record.
 */
export async function writeState(
  capture: StateCapture,
  layout: 'canonical' | 'record-per-line',
  take: (block: string) => Promise<void> | void,
): Promise<void> {
  let block = '';
  let began = performance.now();
  for (const piece of capture.pieces(itemsPerPiece, layout === 'record-per-line')) {
    block += piece;
    if (block.length >= blockChars) {
      await take(block);
      block = '';
    }
    if (performance.now() - began < sliceMs) continue;
    await nextTurn();
    began = performance.now();
  }
  await take(block);
}

export interface StateDigest {
  /** Events that led to it. */
  readonly size: number;
  readonly hash: Sha256Hex;
}
export interface CapturedState {
  readonly size: number;
  readonly capture: StateCapture;
  /** Resolves once the events that led to it are on stable storage. */
  readonly durable: Promise<void>;
}

/** Hashes the state one caller after the other: those who ask while it is hashed share the next one. */
export class StateDigests {
  readonly #capture: () => CapturedState;
  #running: Promise<StateDigest> | undefined;
  #next: Promise<StateDigest> | undefined;

  constructor(capture: () => CapturedState) {
    this.#capture = capture;
  }

  take(): Promise<StateDigest> {
    if (this.#running === undefined) {
      this.#running = this.#hash().finally(() => {
        this.#running = undefined;
      });
      return this.#running;
    }
    this.#next ??= this.#afterRunning(this.#running);
    return this.#next;
  }

  async #afterRunning(running: Promise<StateDigest>): Promise<StateDigest> {
    await running;
    this.#next = undefined;
    return this.take();
  }

  async #hash(): Promise<StateDigest> {
    const { size, capture, durable } = this.#capture();
    const hash = createHash('sha256');
    await writeState(capture, 'canonical', (block) => {
      hash.update(block);
    });
    await durable;
    return { size, hash: hash.digest('hex') as Sha256Hex };
  }
}
