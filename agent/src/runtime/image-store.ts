import {
  type ImageReference,
  imageName,
  imageReferenceText,
  parseImageReference,
} from '@capacloud/protocol/image-reference';
import { accept, type Result } from '@capacloud/protocol/result';
import type Docker from 'dockerode';
import type { PullProgress, RuntimeFailure } from '../core/ports.ts';
import { callEngine, deadlines, engineMessage, engineStatus, openEngineStream } from './engine-call.ts';
import { PullMeter, readPullLines } from './pull-progress.ts';

type Pulled = Result<{ readonly image: string }, RuntimeFailure>;

interface RunningPull {
  readonly result: Promise<Pulled>;
  readonly listeners: Set<(progress: PullProgress) => void>;
  readonly controller: AbortController;
}

/** What an image that is present says about itself. */
export interface ImageFacts {
  readonly id: string;
  readonly digest: string;
  readonly env: readonly string[];
  readonly volumes: readonly string[];
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  readonly workingDir: string;
}

const missing =
  /not found|manifest unknown|does not exist|denied|unauthorized|no basic auth|invalid reference|name unknown/i;

/** Images of the engine: looks them up and pulls those that are missing, each once at a time. */
export class ImageStore {
  readonly #docker: Docker;
  readonly #pulls = new Map<string, RunningPull>();

  constructor(docker: Docker) {
    this.#docker = docker;
  }

  /** The image's configuration, or undefined when it is not on the engine. */
  async find(reference: ImageReference, signal: AbortSignal): Promise<ImageFacts | undefined> {
    try {
      // With its registry, so that the engine cannot take a name for the beginning of an id.
      const image = this.#docker.getImage(imageReferenceText(reference));
      const info = await callEngine(signal, deadlines.queryMs, () => image.inspect());
      const config = info.Config;
      const entrypoint = config?.Entrypoint ?? [];
      return {
        id: info.Id,
        digest: digestOf(reference, info.RepoDigests ?? [], info.Id),
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

  /** Pulls unless the image is present. A pull goes on as long as anybody waits for it. */
  async pull(
    image: string,
    onProgress: (progress: PullProgress) => void,
    signal: AbortSignal,
  ): Promise<Pulled> {
    const parsed = parseImageReference(image);
    if (!parsed.ok) return failedPull(image, parsed.refusal, true);
    const reference = parsed.value;
    const present = await this.find(reference, signal);
    if (present !== undefined) return accept({ image: present.digest });
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
    const image = imageReferenceText(reference);
    try {
      const stream = await openEngineStream(signal, deadlines.idleMs, (abortSignal) =>
        this.#docker.createImage({ ...pullOptions(reference), abortSignal }),
      );
      const meter = new PullMeter();
      for await (const line of readPullLines(stream.chunks)) {
        if (line.error !== undefined) return failedPull(image, line.error);
        if (meter.take(line)) report(meter.progress());
      }
      const found = await this.find(reference, signal);
      if (found === undefined) return failedPull(image, 'the engine ended the pull without an image');
      return accept({ image: found.digest });
    } catch (error) {
      const status = engineStatus(error);
      if (status === undefined) throw error;
      return failedPull(image, engineMessage(error), status === 404 || status === 400);
    }
  }
}

function failedPull(image: string, message: string, isMissing = missing.test(message)): Pulled {
  const reason = isMissing ? 'image_not_found' : 'image_pull_failed';
  return { ok: false, refusal: { reason, message: `${image.slice(0, 200)}: ${message}`.slice(0, 500) } };
}

/** For the engine: without a tag it would pull every tag of the repository. */
export function pullOptions(reference: ImageReference): { readonly fromImage: string; readonly tag: string } {
  return { fromImage: imageName(reference), tag: reference.digest ?? reference.tag ?? 'latest' };
}

/** Repository digest where there is one, best that of the repository asked for; else the image id. */
export function digestOf(reference: ImageReference, repoDigests: readonly string[], id: string): string {
  const own = repoDigests.find((entry) => {
    const parsed = parseImageReference(entry);
    return parsed.ok && imageName(parsed.value) === imageName(reference);
  });
  return (own ?? repoDigests[0])?.split('@')[1] ?? id;
}
