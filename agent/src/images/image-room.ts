import { statfs } from 'node:fs/promises';
import type { Result } from '@capacloud/protocol/result';
import {
  type DiskRoom,
  type ImageBudget,
  type ImageShare,
  imageBudgetOf,
  isShort,
} from '../core/disk-room.ts';
import type { RuntimeFailure } from '../core/ports.ts';
import { say } from '../core/sentence.ts';
import type { Engine } from '../engine/engine.ts';
import { ImageRemoval } from './image-removal.ts';
import { type PullTold, PullWatch } from './pull-watch.ts';
import type { PulledImages, PullIntent } from './pulled-images.ts';

export interface ImageRoomParts {
  readonly engine: Engine;
  readonly notes: PulledImages;
  /** What images that the agent pulls may take together. */
  readonly share: ImageShare;
  /** References of images that attempts need. */
  readonly needed: () => ReadonlySet<string>;
  /** Looked at where the engine's own folder is not to be seen, as from a container: mostly the same disk. */
  readonly stateDir: string;
}

/** Images go before the watermark is reached, so that new work need not stop for them. */
const removeAtWatermarks = 2;

type Pull = Omit<PullIntent, 'before'>;
type Fetched<T> = Result<T, RuntimeFailure>;

/** The room that images have on the engine's disk: what they may take, what is removed for others, and what is too large. */
export class ImageRoom {
  readonly #parts: ImageRoomParts;
  readonly #removal: ImageRemoval;
  readonly #watch: PullWatch;
  #folder: string | undefined;
  #budget: ImageBudget | undefined;
  #recovered = false;

  constructor(parts: ImageRoomParts) {
    this.#parts = parts;
    this.#removal = new ImageRemoval(parts);
    this.#watch = new PullWatch({
      room: () => this.#room(),
      budget: async () => ({ ...(await this.#resolve()), usedBytes: await this.#removal.usedBytes() }),
      removeOne: (signal) => this.#removal.removeOne(signal),
    });
  }

  /** Pulls under watch. What came of it is noted, so that it can be removed one day. */
  async pull<T extends { readonly id: string }>(
    pull: Pull,
    signal: AbortSignal,
    fetch: (signal: AbortSignal, told: PullTold) => Promise<Fetched<T>>,
  ): Promise<Fetched<T>> {
    const { pulling } = this.#removal;
    await this.#recover(signal);
    pulling.add(pull.reference);
    try {
      const before = await this.#removal.imageIds(signal);
      const intent = await this.#parts.notes.begin({ ...pull, before: [...before] });
      const watched = await this.#watch.run(signal, fetch);
      if (typeof watched === 'string') return { ok: false, refusal: await this.#refusal(watched) };
      const { value } = watched;
      // One that failed may still come: the engine looks after a pull itself. So its note stays for a while.
      if (value.ok) await this.#removal.settle(intent, value.value.id, signal);
      return value;
    } finally {
      pulling.delete(pull.reference);
    }
  }

  /** Done now and then: finds what an earlier life left, and makes room before the disk is full. Never throws. */
  async tidy(signal: AbortSignal): Promise<void> {
    try {
      await this.#removal.recover(signal);
      this.#recovered = true;
      const { bytes } = await this.#resolve();
      const isTight = async () =>
        isShort(await this.#room(), removeAtWatermarks) || (await this.#removal.usedBytes()) > bytes;
      while (!signal.aborted && (await isTight()))
        if ((await this.#removal.removeOne(signal)) === undefined) return;
    } catch {
      // The engine is away, or the disk takes no notes: the next time will do.
    }
  }

  async #recover(signal: AbortSignal): Promise<void> {
    if (this.#recovered) return;
    await this.#removal.recover(signal);
    this.#recovered = true;
  }

  async #refusal(verdict: 'too_large' | 'no_room' | 'crowded'): Promise<RuntimeFailure> {
    const { bytes } = await this.#resolve();
    const mebibytes = Math.floor(bytes / 2 ** 20);
    return verdict === 'too_large'
      ? {
          reason: 'image_too_large',
          message: say`The image is larger than the ${mebibytes} MiB that the node gives to images, or has too many files.`,
        }
      : {
          reason: 'image_pull_failed',
          message: say`The node has no room for the image: its disk, or what it gives to images, is in use.`,
        };
  }

  /** Settled at the first use, so that a disk that fills up does not make images too large that fit before. */
  async #resolve(): Promise<ImageBudget> {
    this.#budget ??= imageBudgetOf(this.#parts.share, await this.#room(), await this.#removal.usedBytes());
    return this.#budget;
  }

  async #room(): Promise<DiskRoom> {
    this.#folder ??= await this.#findFolder();
    return await roomOf(this.#folder);
  }

  async #findFolder(): Promise<string> {
    const { engine, stateDir } = this.#parts;
    const { DockerRootDir: rootDir } = await engine.info(AbortSignal.any([]));
    if (rootDir === undefined) return stateDir;
    return await statfs(rootDir).then(
      () => rootDir,
      () => stateDir,
    );
  }
}

async function roomOf(folder: string): Promise<DiskRoom> {
  const { bavail, blocks, bsize, ffree, files } = await statfs(folder);
  return { totalBytes: blocks * bsize, freeBytes: bavail * bsize, inodes: files, freeInodes: ffree };
}
