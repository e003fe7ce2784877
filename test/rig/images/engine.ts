import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import Docker from 'dockerode';
import { pack } from 'tar-stream';

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

/** The part of an image's configuration that we set; the names are the image specification's. */
interface ImageSettings {
  readonly User?: string;
  readonly WorkingDir?: string;
  readonly Env: readonly string[];
  readonly Cmd: readonly string[];
  readonly Labels: Readonly<Record<string, string>>;
}

/**
 * Makes `image` from a tar of a root file system. Loaded rather than imported: an import stamps the time,
 * while this gives every engine the same image id for the same files.
 */
export async function loadRootfs(
  docker: Docker,
  {
    image,
    file,
    settings,
    signal,
  }: { image: string; file: string; settings: ImageSettings; signal: AbortSignal },
): Promise<void> {
  const layer = createHash('sha256');
  for await (const chunk of createReadStream(file, { signal })) layer.update(chunk as Buffer);
  const config = JSON.stringify({
    architecture: process.arch === 'x64' ? 'amd64' : process.arch,
    os: 'linux',
    created: '1970-01-01T00:00:00Z',
    config: settings,
    rootfs: { type: 'layers', diff_ids: [`sha256:${layer.digest('hex')}`] },
    history: [{ created: '1970-01-01T00:00:00Z', created_by: 'capacloud' }],
  });
  const configName = `${createHash('sha256').update(config).digest('hex')}.json`;
  const archive = pack();
  archive.entry({ name: configName }, config);
  archive.entry(
    { name: 'manifest.json' },
    JSON.stringify([{ Config: configName, RepoTags: [image], Layers: ['layer.tar'] }]),
  );
  const { size } = await stat(file);
  const sent = pipeline(createReadStream(file), archive.entry({ name: 'layer.tar', size }), { signal }).then(
    () => archive.finalize(),
  );
  sent.catch((error: unknown) => archive.destroy(error instanceof Error ? error : new Error(String(error))));
  const [stream] = await Promise.all([
    docker.loadImage(Readable.from(archive), { abortSignal: signal }),
    sent,
  ]);
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
