import {
  type ImageReference,
  imageName,
  imageReferenceText,
  parseImageReference,
} from '@capacloud/protocol/image-reference';
import { accept, type Result } from '@capacloud/protocol/result';
import type Docker from 'dockerode';
import Type from 'typebox';
import { Value } from 'typebox/value';
import { isLocalImage, type LocalImage } from '../core/local-images.ts';
import { EngineUnavailable, type PullProgress, type RuntimeFailure } from '../core/ports.ts';
import {
  callEngine,
  deadlines,
  engineInfo,
  engineMessage,
  engineStatus,
  openEngineStream,
} from './engine-call.ts';
import { askOfImage } from './engine-client.ts';
import { archOfEngine, isWrongPlatform, misfit, type Platform, wrongPlatform } from './image-platform.ts';
import type { ImageRoom } from './image-room.ts';
import { PullMeter, readPullLines } from './pull-progress.ts';
import type { PullTold } from './pull-watch.ts';
import type { PulledImages } from './pulled-images.ts';

type Pulled = Result<{ readonly image: string }, RuntimeFailure>;
type Refused = Result<never, RuntimeFailure>;

interface FetchParts {
  readonly engineArch: string;
  readonly report: (progress: PullProgress) => void;
  readonly told: PullTold;
}

interface RunningPull {
  readonly result: Promise<Pulled>;
  readonly listeners: Set<(progress: PullProgress) => void>;
  readonly controller: AbortController;
}

/** What an image that is present says about itself. */
export interface ImageFacts {
  /** What a container is made from: a name could lead to another image by then. */
  readonly id: string;
  readonly digest: string;
  readonly platform: Platform;
  readonly env: readonly string[];
  readonly volumes: readonly string[];
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  readonly workingDir: string;
}

const DistributionSchema = Type.Object({
  Descriptor: Type.Object({ digest: Type.String({ pattern: '^sha256:[0-9a-f]{64}$' }) }),
  Platforms: Type.Optional(
    Type.Union([Type.Null(), Type.Array(Type.Object({ architecture: Type.String(), os: Type.String() }))]),
  ),
});

const missing =
  /not found|manifest unknown|does not exist|denied|unauthorized|no basic auth|invalid reference|name unknown/i;

/**
 * Images that tasks may use. Most of what is on an engine is its owner's, and a stranger's job could name it. So an image is
 * used only where this agent pulled it under that very reference, or where the owner lists it (`local_images`). Everything
 * else is pulled from its registry, by digest: a pull by tag would give the owner's own tags to strangers' images.
 */
export class ImageStore {
  readonly #docker: Docker;
  readonly #pulled: PulledImages;
  readonly #room: ImageRoom;
  readonly #local: readonly LocalImage[];
  readonly #pulls = new Map<string, RunningPull>();

  constructor(docker: Docker, pulled: PulledImages, room: ImageRoom, local: readonly LocalImage[]) {
    this.#docker = docker;
    this.#pulled = pulled;
    this.#room = room;
    this.#local = local;
  }

  /** The image that tasks may use under this reference; undefined when it is not on the engine, or nobody's to use. */
  async find(reference: ImageReference, signal: AbortSignal): Promise<ImageFacts | undefined> {
    const text = imageReferenceText(reference);
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
      const info = await callEngine(signal, deadlines.queryMs, (abortSignal) =>
        askOfImage<Docker.ImageInspectInfo>(this.#docker, 'images', name, abortSignal),
      );
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
    if (!parsed.ok) return pullFailure('image_not_found', image, parsed.refusal);
    const reference = parsed.value;
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
    const abort = Promise.withResolvers<never>();
    const onAbort = () => abort.reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      signal.throwIfAborted();
      return await Promise.race([running.result, abort.promise]);
    } finally {
      signal.removeEventListener('abort', onAbort);
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
    const name = imageName(reference);
    try {
      const engineArch = await this.#engineArch(signal);
      const { digest, platforms } = await this.#askRegistry(reference, signal);
      const wrong = wrongPlatform(text, platforms, engineArch);
      if (wrong !== undefined) return { ok: false, refusal: wrong };
      const found = await this.#room.pull({ reference: text, name, digest }, signal, (limit, told) =>
        this.#fetch(reference, digest, { engineArch, report, told }, limit),
      );
      if (!found.ok) return found;
      const unfit = wrongPlatform(text, [found.value.platform], engineArch);
      return unfit === undefined ? accept({ image: digest }) : { ok: false, refusal: unfit };
    } catch (error) {
      const status = engineStatus(error);
      if (status === undefined) throw error;
      const message = engineMessage(error);
      if (status === 404 || status === 400) return pullFailure('image_not_found', text, message);
      return failedPull(text, message);
    }
  }

  async #fetch(
    reference: ImageReference,
    digest: string,
    { engineArch, report, told }: FetchParts,
    signal: AbortSignal,
  ): Promise<Result<ImageFacts, RuntimeFailure>> {
    const name = imageName(reference);
    const text = imageReferenceText(reference);
    const stream = await openEngineStream(signal, deadlines.idleMs, (abortSignal) =>
      this.#docker.createImage({ fromImage: name, tag: digest, abortSignal }),
    );
    const meter = new PullMeter();
    for await (const line of readPullLines(stream.chunks)) {
      if (line.error !== undefined) return failedPull(text, line.error, engineArch);
      if (!meter.take(line)) continue;
      const progress = meter.progress();
      told.progress(progress.totalBytes, meter.packedBytes);
      report(progress);
    }
    const found = await this.#inspect(reference, `${name}@${digest}`, signal);
    return found === undefined
      ? failedPull(text, 'the engine ended the pull without an image', engineArch)
      : accept(found);
  }

  /** What the registry has for the reference now. The engine asks it, as it knows the way there. */
  async #askRegistry(
    reference: ImageReference,
    signal: AbortSignal,
  ): Promise<{ readonly digest: string; readonly platforms: readonly Platform[] }> {
    const answer: unknown = await callEngine(signal, deadlines.idleMs, (abortSignal) =>
      askOfImage(this.#docker, 'distribution', imageReferenceText(reference), abortSignal),
    );
    if (!Value.Check(DistributionSchema, answer)) throw new EngineUnavailable('The engine named no digest.');
    return { digest: reference.digest ?? answer.Descriptor.digest, platforms: answer.Platforms ?? [] };
  }

  async #engineArch(signal: AbortSignal): Promise<string> {
    const { Architecture: architecture } = await engineInfo(this.#docker, signal);
    return archOfEngine(architecture);
  }
}

function failedPull(image: string, message: string, engineArch?: string): Refused {
  if (engineArch !== undefined && isWrongPlatform(message))
    return { ok: false, refusal: misfit(image, `cannot be pulled (${message})`, engineArch) };
  return pullFailure(missing.test(message) ? 'image_not_found' : 'image_pull_failed', image, message);
}

function pullFailure(reason: RuntimeFailure['reason'], image: string, message: string): Refused {
  return { ok: false, refusal: { reason, message: `${image.slice(0, 200)}: ${message}`.slice(0, 500) } };
}

/** Repository digest where there is one, best that of the repository asked for; else the image id. */
export function digestOf(reference: ImageReference, repoDigests: readonly string[], id: string): string {
  const own = repoDigests.find((entry) => {
    const parsed = parseImageReference(entry);
    return parsed.ok && imageName(parsed.value) === imageName(reference);
  });
  return (own ?? repoDigests[0])?.split('@')[1] ?? id;
}
