import { readdir, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Offer } from '@capacloud/protocol/capacity/resources';
import { waitAtMost } from '@capacloud/waiting/at-most';
import { examEngine } from '../container/engine-exam.ts';
import { sellableBytes, steadyOffer } from '../core/disk-offer.ts';
import { type DiskRoom, isShort } from '../core/disk-room.ts';
import type { EngineExam } from '../core/engine-facts.ts';
import type { AgentConfig } from '../host/config.ts';
import { Remembered } from '../host/remembered.ts';
import { bytesOf } from '../images/image-layers.ts';
import { PulledImages } from '../images/pulled-images.ts';
import type { ScratchKind } from './scratch-choice.ts';

const lookMs = 5000;
const firstLookMs = 1000;
/** Files that are counted in the folders of attempts; beyond them, what attempts have counts as taken by others. */
const maxFiles = 20_000;

/** Where the engine keeps its files changes with a restart of it at most. */
const engineDirMs = 600_000;

interface DiskWatchParts {
  readonly config: AgentConfig;
  readonly scratch: ScratchKind;
  /** There is more or less to sell, or work is wanted no longer. */
  readonly onChange: () => void;
}

/** The disks of the agent and its engine while it runs: what can be sold of them, and whether there is room for work. */
export class DiskWatch {
  readonly #parts: DiskWatchParts;
  readonly #engine: EngineExam;
  readonly #engineDir = new Remembered<string | undefined>(engineDirMs);
  /** Resolves when it looks no longer. */
  ended: Promise<void> = Promise.resolve();
  #sellableBytes = Number.POSITIVE_INFINITY;
  #offeredBytes = Number.POSITIVE_INFINITY;
  #isShort = false;

  constructor(parts: DiskWatchParts) {
    this.#parts = parts;
    this.#engine = examEngine(parts.config.dockerSocket);
  }

  /** Less than the watermark is free on one of them. */
  get isShort(): boolean {
    return this.#isShort;
  }

  /** The offer with no more disk than there is. Scratch in memory takes none. */
  limit(offer: Offer): Offer {
    if (this.#parts.scratch === 'memory') return offer;
    this.#offeredBytes = steadyOffer(offer.diskBytes, this.#sellableBytes, this.#offeredBytes);
    return { ...offer, diskBytes: this.#offeredBytes };
  }

  /** Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.look(signal).catch(() => undefined);
      await sleep(lookMs, undefined, { signal }).catch(() => {});
    }
  }

  async #findEngineDir(signal: AbortSignal): Promise<string | undefined> {
    const ask = async () => (await this.#engine.facts(signal)).rootDir;
    return await this.#engineDir.get('', ask).then(
      ({ value }) => value,
      () => undefined,
    );
  }

  async look(signal: AbortSignal): Promise<void> {
    const { config, onChange } = this.#parts;
    const { stateDir } = config;
    const engineDir = await this.#findEngineDir(signal);
    const room = await roomOf(stateDir);
    const engineRoom = engineDir === undefined ? undefined : await roomOf(engineDir).catch(() => undefined);
    const isSame =
      engineDir === undefined ||
      engineRoom === undefined ||
      (await deviceOf(engineDir)) === (await deviceOf(stateDir));
    const usedBytes = bytesOf(await new PulledImages(join(stateDir, 'pulled-images')).list());
    const attemptBytes =
      (await usedBy(join(stateDir, 'scratch'))) + (await usedBy(join(stateDir, 'outputs')));
    const images = isSame ? { images: { share: config.resources.images, usedBytes } } : {};
    const before = [this.#isShort, this.#sellableBytes].join();
    this.#sellableBytes = sellableBytes({ room, attemptBytes, ...images });
    this.#isShort = isShort(room) || (engineRoom !== undefined && isShort(engineRoom));
    if ([this.#isShort, this.#sellableBytes].join() !== before) onChange();
  }
}

/** It has looked once, so that the first offer is true. */
export async function openDiskWatch(parts: DiskWatchParts, signal: AbortSignal): Promise<DiskWatch> {
  const watch = new DiskWatch(parts);
  const looked = watch.look(signal).catch(() => undefined);
  // An engine that hangs keeps nobody from looking after what runs.
  await waitAtMost(firstLookMs, looked);
  watch.ended = watch.run(signal);
  return watch;
}

async function roomOf(folder: string): Promise<DiskRoom> {
  const { bavail, blocks, bsize, ffree, files } = await statfs(folder);
  return { totalBytes: blocks * bsize, freeBytes: bavail * bsize, inodes: files, freeInodes: ffree };
}

async function deviceOf(folder: string): Promise<number | undefined> {
  return await stat(folder).then(
    ({ dev }) => dev,
    () => undefined,
  );
}

/** Blocks that files take: an image of scratch has holes where nothing was written. */
async function usedBy(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  let bytes = 0;
  for (const entry of entries.slice(0, maxFiles)) {
    if (!entry.isFile()) continue;
    const info = await stat(join(entry.parentPath, entry.name)).catch(() => undefined);
    bytes += (info?.blocks ?? 0) * 512;
  }
  return bytes;
}
