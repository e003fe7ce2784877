import {
  type ImageReference,
  imageName,
  imageReferenceText,
  parseImageReference,
} from '@capacloud/protocol/job/image-reference';
import { accept, type Result } from '@capacloud/protocol/result';
import { abortable } from '@capacloud/waiting/abortable';
import { isLocalImage, type LocalImage } from '../core/local-images.ts';
import { EngineUnavailable, type PullProgress, type RuntimeFailure } from '../core/ports.ts';
import { registryOrigin } from '../core/registries.ts';
import { own, say } from '../core/sentence.ts';
import type { Engine } from '../engine/engine.ts';
import { engineStatus } from '../engine/engine-call.ts';
import { archOfEngine, type Platform, wrongPlatform } from './image-platform.ts';
import { offerPull, type PullOffer } from './image-pull.ts';
import type { ImageRoom } from './image-room.ts';
import type { PullTold } from './pull-watch.ts';
import type { PulledImages } from './pulled-images.ts';
import type { ImageSettings } from './registry/image-config.ts';
import { notAllowed, PullRefused } from './registry/pull-refused.ts';
import type { RegistryClientOptions } from './registry/registry-client.ts';

type Pulled = Result<{ readonly image: string }, RuntimeFailure>;

interface ImageStoreParts {
  readonly engine: Engine;
  readonly notes: PulledImages;
  readonly room: ImageRoom;
  readonly localImages: readonly LocalImage[];
  readonly registries: RegistryClientOptions;
}

interface FetchParts {
  readonly report: (progress: PullProgress) => void;
  readonly told: PullTold;
}

interface RunningPull {
  readonly result: Promise<Pulled>;
  readonly listeners: Set<(progress: PullProgress) => void>;
  readonly controller: AbortController;
}

/** What an image that is present says about itself. */
export interface ImageFacts extends ImageSettings {
  /** What a container is made from: a name could lead to another image by then. */
  readonly id: string;
  readonly digest: string;
  readonly platform: Platform;
}

/**
 * Images that tasks may use. Most of what is on an engine is its owner's, and a stranger's job could name it. So an image is
 * used only where this agent pulled it under that very reference, or where the owner lists it (`local_images`). Everything
 * else is fetched from its registry by the agent, which gives the engine a name of its own for it.
 */
export class ImageStore {
  readonly #engine: Engine;
  readonly #pulled: PulledImages;
  readonly #room: ImageRoom;
  readonly #local: readonly LocalImage[];
  readonly #registries: RegistryClientOptions;
  readonly #pulls = new Map<string, RunningPull>();

  constructor({ engine, notes, room, localImages, registries }: ImageStoreParts) {
    this.#engine = engine;
    this.#registries = registries;
    this.#pulled = notes;
    this.#room = room;
    this.#local = localImages;
  }

  /** The image that tasks may use under this reference; undefined when it is not on the engine, or nobody's to use. */
  async find(reference: ImageReference, signal: AbortSignal): Promise<ImageFacts | undefined> {
    const text = imageReferenceText(reference);
    // IMAGE-1
    if (isLocalImage(this.#local, reference)) {
      const listed = await this.#inspect(reference, text, signal);
      if (listed !== undefined) return listed;
    }
    const pulled = await this.#pulled.get(text);
    if (pulled === undefined) return undefined;
    const found = await this.#inspect(reference, pulled.id, signal);
    if (found === undefined) return undefined;
    await this.#pulled.use(text);
    return { ...found, digest: pulled.digest };
  }

  /** `name` has its registry or is a whole id, so that the engine cannot take it for the beginning of an id. */
  async #inspect(
    reference: ImageReference,
    name: string,
    signal: AbortSignal,
  ): Promise<ImageFacts | undefined> {
    try {
      const info = await this.#engine.inspectImage(name, signal);
      if (info === undefined) return undefined;
      const config = info.Config;
      const entrypoint = config?.Entrypoint ?? [];
      return {
        id: info.Id,
        digest: digestOf(reference, info.RepoDigests ?? [], info.Id),
        platform: { architecture: info.Architecture ?? '', os: info.Os ?? '' },
        env: config?.Env ?? [],
        volumes: Object.keys(config?.Volumes ?? {}),
        entrypoint: typeof entrypoint === 'string' ? [entrypoint] : entrypoint,
        command: config?.Cmd ?? [],
        workingDir: config?.WorkingDir ?? '',
      };
    } catch (error) {
      if (engineStatus(error) === 404) return undefined;
      throw error;
    }
  }

  /** Pulls unless the image is there to be used. A pull goes on as long as anybody waits for it. */
  async pull(
    image: string,
    onProgress: (progress: PullProgress) => void,
    signal: AbortSignal,
  ): Promise<Pulled> {
    const parsed = parseImageReference(image);
    if (!parsed.ok) {
      const message = say`${own(image)}: the image ${own(parsed.refusal)}.`;
      return { ok: false, refusal: { reason: 'image_not_found', message } };
    }
    const reference = parsed.value;
    const isAllowed = registryOrigin(this.#registries.allowed, reference) !== undefined;
    if (!isAllowed && !isLocalImage(this.#local, reference))
      return { ok: false, refusal: notAllowed(reference.registry).failure };
    const present = await this.find(reference, signal);
    if (present !== undefined) {
      const wrong = wrongPlatform(image, [present.platform], await this.#engineArch(signal));
      return wrong === undefined ? accept({ image: present.digest }) : { ok: false, refusal: wrong };
    }
    const running = this.#pulls.get(imageReferenceText(reference)) ?? this.#begin(reference);
    running.listeners.add(onProgress);
    const leave = () => {
      running.listeners.delete(onProgress);
      if (running.listeners.size === 0) running.controller.abort(new Error('nobody waits for this pull'));
    };
    try {
      return await abortable(running.result, signal);
    } finally {
      leave();
    }
  }

  #begin(reference: ImageReference): RunningPull {
    const image = imageReferenceText(reference);
    const controller = new AbortController();
    const listeners = new Set<(progress: PullProgress) => void>();
    const report = (progress: PullProgress) => {
      for (const listener of listeners) listener(progress);
    };
    const result = this.#run(reference, report, controller.signal).finally(() => this.#pulls.delete(image));
    // When everybody has left nobody hears of its failure.
    result.catch(() => undefined);
    const running = { result, listeners, controller };
    this.#pulls.set(image, running);
    return running;
  }

  async #run(
    reference: ImageReference,
    report: (progress: PullProgress) => void,
    signal: AbortSignal,
  ): Promise<Pulled> {
    const text = imageReferenceText(reference);
    try {
      const engineArch = await this.#engineArch(signal);
      const offer = await offerPull(this.#registries, engineArch, reference, signal);
      const { name, digest } = offer;
      const found = await this.#room.pull({ reference: text, name, digest }, signal, (limit, told) =>
        this.#fetch(reference, offer, { report, told }, limit),
      );
      return found.ok ? accept({ image: digest }) : found;
    } catch (error) {
      if (error instanceof PullRefused) return { ok: false, refusal: error.failure };
      throw error;
    }
  }

  async #fetch(
    reference: ImageReference,
    offer: PullOffer,
    { report, told }: FetchParts,
    signal: AbortSignal,
  ): Promise<Result<ImageFacts, RuntimeFailure>> {
    const { name, totalBytes, transfer } = offer;
    // Engines keep an archive as it came until all of it is unpacked, and go on unpacking when nobody waits any more. So an
    // image that unpacks to too much has to be ended before its archive is whole.
    const onProgress = (progress: PullProgress) => {
      const { bytes, files } = progress.unpacked ?? { bytes: 0, files: 0 };
      told.progress({ bytes: Math.max(totalBytes, bytes), files }, progress.doneBytes);
      report(progress);
    };
    await transfer(this.#engine, onProgress, signal);
    told.progress({ bytes: totalBytes, files: 0 }, 0);
    const found = await this.#inspect(reference, name, signal);
    if (found === undefined) throw new EngineUnavailable('The engine took an image and does not have it.');
    return accept(found);
  }

  async #engineArch(signal: AbortSignal): Promise<string> {
    const { Architecture: architecture } = await this.#engine.info(signal);
    return archOfEngine(architecture);
  }
}

/** Repository digest where there is one, best that of the repository asked for; else the image id. */
export function digestOf(reference: ImageReference, repoDigests: readonly string[], id: string): string {
  const own = repoDigests.find((entry) => {
    const parsed = parseImageReference(entry);
    return parsed.ok && imageName(parsed.value) === imageName(reference);
  });
  return (own ?? repoDigests[0])?.split('@')[1] ?? id;
}
