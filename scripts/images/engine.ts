import { createReadStream } from 'node:fs';
import Docker from 'dockerode';

/** The label that says from which recipe (a hash of all its inputs) an image was made. */
export const recipeLabel = 'io.capacloud.recipe';

export function connectEngine(docker: Docker | string): Docker {
  return typeof docker === 'string' ? new Docker({ socketPath: docker }) : docker;
}

/** The id of `image` where it exists and was made from `recipe`. */
export async function findImage(docker: Docker, image: string, recipe: string): Promise<string | undefined> {
  try {
    const found = await docker.getImage(image).inspect();
    return found.Config.Labels?.[recipeLabel] === recipe ? found.Id : undefined;
  } catch (error) {
    if (statusOf(error) === 404) return undefined;
    throw new Error(`the Docker engine could not be asked about the image ${image}`, { cause: error });
  }
}

function statusOf(error: unknown): number | undefined {
  return typeof error === 'object' &&
    error !== null &&
    'statusCode' in error &&
    typeof error.statusCode === 'number'
    ? error.statusCode
    : undefined;
}

/** Waits for a build, pull or import to end; throws with the engine's own words where it failed. */
export async function followProgress(
  docker: Docker,
  stream: NodeJS.ReadableStream,
  signal: AbortSignal,
): Promise<void> {
  let failure: string | undefined;
  const stop = (): void => {
    if ('destroy' in stream && typeof stream.destroy === 'function') stream.destroy(new Error('stopped'));
  };
  signal.addEventListener('abort', stop, { once: true });
  try {
    await new Promise<void>((resolve, reject) => {
      docker.modem.followProgress(
        stream,
        (error: Error | null) => (error ? reject(error) : resolve()),
        (event: { error?: string }) => {
          failure ??= event.error;
        },
      );
    });
  } finally {
    signal.removeEventListener('abort', stop);
  }
  signal.throwIfAborted();
  if (failure !== undefined) throw new Error(failure);
}

/** Makes `image` from a tar of a root file system. `changes` are Dockerfile lines (USER, CMD, LABEL, …). */
export async function importRootfs(
  docker: Docker,
  {
    image,
    file,
    changes,
    signal,
  }: { image: string; file: string; changes: readonly string[]; signal: AbortSignal },
): Promise<void> {
  const colon = image.lastIndexOf(':');
  const options = {
    repo: image.slice(0, colon),
    tag: image.slice(colon + 1),
    changes: [...changes],
    abortSignal: signal,
  };
  const stream = await docker.importImage(createReadStream(file), options);
  await followProgress(docker, stream, signal);
}

export async function registryHas(
  docker: Docker,
  image: string,
  { timeoutMs, signal }: { timeoutMs: number; signal: AbortSignal },
): Promise<boolean> {
  try {
    await docker.getImage(image).inspect();
    return true;
  } catch {
    // Not here yet: the pull below decides.
  }
  const limit = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  try {
    const stream = await docker.pull(image, { abortSignal: limit });
    await followProgress(docker, stream, limit);
    return true;
  } catch {
    signal.throwIfAborted();
    return false;
  }
}
