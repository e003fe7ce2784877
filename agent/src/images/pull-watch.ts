import { abortable } from '@capacloud/waiting/abortable';
import { type DiskRoom, type ImageBudget, isShort } from '../core/disk-room.ts';
import type { LayerUse } from './registry/layer-meter.ts';

/** Between two looks at the disk while images are pulled: a layer that unpacks to much more than it says is fast. */
const lookMs = 100;
/** How long a pull that has to be alone waits for the others. */
const aloneWithinMs = 60_000;

/**
 * Why a pull was ended. too_large: the image alone is larger than the budget. no_room: it would fit, but what lies on the disk
 * is in use. crowded: the pulls together were too large, and it is not known which of them.
 */
export type PullVerdict = 'too_large' | 'no_room' | 'crowded';

interface WatchedPull {
  readonly abort: AbortController;
  verdict: PullVerdict | undefined;
  /** Another was under way at some time. */
  isCrowded: boolean;
  packedBytes: number;
}

interface PullWatchParts {
  readonly room: () => Promise<DiskRoom>;
  /** What images may take, and take now without those under way. */
  readonly budget: () => Promise<ImageBudget & { readonly usedBytes: number }>;
  /** Removes an image that nothing needs; gives the bytes that became free, undefined where there is none. */
  readonly removeOne: (signal: AbortSignal) => Promise<number | undefined>;
}

/** Told by a pull of itself, so that it can be ended before the disk shows anything. */
export interface PullTold {
  /** What is known to come, and what lies on the disk as it was downloaded: that goes when it is unpacked. */
  progress(announced: LayerUse, packedBytes: number): void;
}

type Fetch<T> = (signal: AbortSignal, told: PullTold) => Promise<T>;

/**
 * Watches the engine's disk while images are pulled. Engines tell how much they have downloaded and nothing of what becomes of
 * it on the disk, so that is measured: bytes and inodes, since the first of the pulls that are under way began. Where several
 * are and it is too much, each is done once more by itself, so that the blame goes where it belongs.
 */
export class PullWatch {
  readonly #parts: PullWatchParts;
  readonly #pulls = new Set<WatchedPull>();
  #base: DiskRoom | undefined;
  #budget: (ImageBudget & { readonly usedBytes: number }) | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isLooking = false;
  /** Pulls that have to be alone, one after the other; others wait for it. */
  #alone: Promise<unknown> = Promise.resolve();
  #idle = Promise.withResolvers<void>();

  constructor(parts: PullWatchParts) {
    this.#parts = parts;
    this.#idle.resolve();
  }

  /** What the pull gave, or why it was ended. */
  async run<T>(signal: AbortSignal, fetch: Fetch<T>): Promise<{ readonly value: T } | PullVerdict> {
    await abortable(this.#alone, signal);
    const first = await this.#run(signal, fetch);
    if (first !== 'crowded') return first;
    const turn = this.#alone.then(async () => {
      if (!(await this.#becomesIdle(signal))) return 'no_room' as const;
      return await this.#run(signal, fetch);
    });
    this.#alone = turn.catch(() => undefined);
    const second = await turn;
    return second === 'crowded' ? 'no_room' : second;
  }

  async #becomesIdle(signal: AbortSignal): Promise<boolean> {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(aloneWithinMs)]);
    await abortable(this.#idle.promise, limit).catch(() => undefined);
    signal.throwIfAborted();
    return this.#pulls.size === 0;
  }

  async #run<T>(signal: AbortSignal, fetch: Fetch<T>): Promise<{ readonly value: T } | PullVerdict> {
    const pull: WatchedPull = {
      abort: new AbortController(),
      verdict: undefined,
      isCrowded: false,
      packedBytes: 0,
    };
    await this.#enter(pull);
    try {
      const told: PullTold = {
        progress: ({ bytes, files }, packedBytes) => {
          pull.packedBytes = packedBytes;
          const { bytes: maxBytes = Infinity, inodes: maxFiles = Infinity } = this.#budget ?? {};
          if (bytes > maxBytes || (this.#countsInodes() && files > maxFiles)) end(pull, 'too_large');
        },
      };
      const value = await fetch(AbortSignal.any([signal, pull.abort.signal]), told);
      await this.#look();
      return pull.verdict ?? { value };
    } catch (error) {
      signal.throwIfAborted();
      if (pull.verdict !== undefined) return pull.verdict;
      throw error;
    } finally {
      this.#leave(pull);
    }
  }

  #countsInodes(): boolean {
    return (this.#base?.inodes ?? 0) > 0;
  }

  async #enter(pull: WatchedPull): Promise<void> {
    pull.isCrowded = this.#pulls.size > 0;
    for (const other of this.#pulls) other.isCrowded = true;
    if (!pull.isCrowded) {
      this.#base = undefined;
      this.#idle = Promise.withResolvers();
    }
    this.#pulls.add(pull);
    try {
      this.#budget = await this.#parts.budget();
      this.#base ??= await this.#parts.room();
    } catch (error) {
      this.#leave(pull);
      throw error;
    }
    this.#timer ??= setInterval(() => void this.#look().catch(() => undefined), lookMs);
  }

  #leave(pull: WatchedPull): void {
    if (!this.#pulls.delete(pull) || this.#pulls.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#idle.resolve();
  }

  async #look(): Promise<void> {
    if (this.#isLooking || this.#base === undefined || this.#budget === undefined) return;
    this.#isLooking = true;
    try {
      const room = await this.#parts.room();
      let grownBytes = this.#base.freeBytes - room.freeBytes;
      for (const { packedBytes } of this.#pulls) grownBytes -= packedBytes;
      const grownInodes = this.#base.freeInodes - room.freeInodes;
      const { bytes, inodes, usedBytes } = this.#budget;
      if (grownBytes > bytes || (room.inodes > 0 && grownInodes > inodes)) return this.#end('too_large');
      if (usedBytes + grownBytes <= bytes && !isShort(room)) return;
      const freed = await this.#parts.removeOne(AbortSignal.any([]));
      if (freed === undefined) return this.#end('no_room');
      // What became free is no image that shrank.
      this.#base = { ...this.#base, freeBytes: this.#base.freeBytes + freed };
      this.#budget = await this.#parts.budget();
    } finally {
      this.#isLooking = false;
    }
  }

  #end(verdict: 'too_large' | 'no_room'): void {
    for (const pull of this.#pulls) end(pull, pull.isCrowded ? 'crowded' : verdict);
  }
}

function end(pull: WatchedPull, verdict: PullVerdict): void {
  pull.verdict ??= verdict;
  pull.abort.abort(new Error(`the pull was ended: ${verdict}`));
}
