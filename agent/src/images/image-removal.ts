import type { Engine } from '../engine/engine.ts';
import { engineStatus } from '../engine/engine-call.ts';
import { bytesOf, readLayers } from './image-layers.ts';
import { nameOnEngine, type PulledImages, type PullIntent, type UsedImage } from './pulled-images.ts';

/** Notes that are kept. Beyond them, images that nothing needs go, however small they are. */
export const maxPulledImages = 4096;
/** An engine may finish a pull well after its caller has left. */
const settleAfterMs = 600_000;
/** Where nothing could be removed, it is not tried again at once. */
const nothingForMs = 3000;

interface RemovalParts {
  readonly engine: Engine;
  readonly notes: PulledImages;
  /** References that attempts need. */
  readonly needed: () => ReadonlySet<string>;
}

type Removal = 'removed' | 'owners' | 'busy';

/** Removes what the agent pulled and nothing needs, the least recently used first, and never what the owner has. */
export class ImageRemoval {
  readonly #parts: RemovalParts;
  /** References whose pull is under way. */
  readonly pulling = new Set<string>();
  #nothingUntilMs = 0;

  constructor(parts: RemovalParts) {
    this.#parts = parts;
  }

  async usedBytes(): Promise<number> {
    return bytesOf(await this.#parts.notes.list());
  }

  /** Bytes that became free with the one that was removed; undefined where there is none to remove. */
  async removeOne(signal: AbortSignal): Promise<number | undefined> {
    if (performance.now() < this.#nothingUntilMs) return undefined;
    const { needed, notes } = this.#parts;
    const images = await notes.list();
    const references = new Set([...needed(), ...this.pulling]);
    const kept = new Set(images.filter(({ reference }) => references.has(reference)).map(({ id }) => id));
    const tried = new Set<string>();
    for (const { id, layers } of images) {
      if (layers === undefined || kept.has(id) || tried.has(id)) continue;
      tried.add(id);
      const same = images.filter((image) => image.id === id);
      const removal = await this.#remove(same, images, signal);
      if (removal === 'busy') continue;
      // An owner's image takes its room on the disk and none of the budget.
      if (removal === 'owners') return 0;
      return bytesOf(images) - bytesOf(images.filter((image) => image.id !== id));
    }
    this.#nothingUntilMs = performance.now() + nothingForMs;
    return undefined;
  }

  /** Removes a name at a time. The engine keeps an image that has other names, or a container; nothing is forced. */
  async #remove(
    same: readonly UsedImage[],
    all: readonly UsedImage[],
    signal: AbortSignal,
  ): Promise<Removal> {
    const { engine, notes } = this.#parts;
    const [{ id } = { id: '' }] = same;
    const info = await this.#parts.engine.inspectImage(id, signal);
    const ours = new Set(all.map(nameOnEngine));
    const names = [...(info?.RepoTags ?? []), ...(info?.RepoDigests ?? [])];
    if (names.some((name) => !ours.has(name) && !name.startsWith('<none>'))) {
      // The owner gave it a name since, so it is the owner's from now on.
      for (const { layers: _layers, usedAtMs: _used, ...note } of same) await notes.note(note);
      return 'owners';
    }
    for (const { digest, name, reference } of same) {
      try {
        if (info !== undefined && name !== undefined)
          await engine.removeImage(nameOnEngine({ digest, name }), signal);
      } catch (error) {
        if (engineStatus(error) === 409) return 'busy';
        if (engineStatus(error) !== 404) throw error;
      }
      await notes.forget(reference);
    }
    return 'removed';
  }

  /** Notes an image that came of the pull, as the agent's own or as one that the owner had. */
  async settle(
    { before, digest, name, reference }: PullIntent,
    id: string,
    signal: AbortSignal,
  ): Promise<void> {
    const { engine, notes } = this.#parts;
    const known = await notes.list();
    const isOurs = !before.includes(id) || known.some((note) => note.id === id && note.layers !== undefined);
    const layers = isOurs ? [...(await readLayers(engine, id, signal))] : undefined;
    await notes.note({ reference, id, digest, name, ...(layers === undefined ? {} : { layers }) });
    await notes.end(reference);
  }

  /** Looks what became of pulls that did not end in order, as where the agent was killed. */
  async recover(signal: AbortSignal): Promise<void> {
    const { needed, notes } = this.#parts;
    for (const intent of await notes.begun()) {
      if (this.pulling.has(intent.reference)) continue;
      const info = await this.#parts.engine.inspectImage(nameOnEngine(intent), signal);
      if (info !== undefined) await this.settle(intent, info.Id, signal);
      else if (Date.now() - intent.atMs > settleAfterMs) await notes.end(intent.reference);
    }
    for (const reference of needed()) await notes.use(reference);
    for (let count = (await notes.list()).length; count > maxPulledImages; count--)
      if ((await this.removeOne(signal)) === undefined) break;
  }

  async imageIds(signal: AbortSignal): Promise<readonly string[]> {
    return await this.#parts.engine.imageIds(signal);
  }
}
