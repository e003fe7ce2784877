import type Docker from 'dockerode';
import type {
  ContainerCreateOptions,
  ContainerInfo,
  ContainerInspectInfo,
  ImageInspectInfo,
} from 'dockerode';
import { type Pack, pack } from 'tar-stream';
import { EngineUnavailable } from '../core/ports.ts';
import { asList, type EngineInfo, isContainer, orAbsent } from './engine-answers.ts';
import { callEngine, deadlines, type EngineStream, openEngineStream, transferMs } from './engine-call.ts';
import { askOfImage, connectEngine } from './engine-client.ts';
import type { EventWindow } from './engine-events.ts';

export type {
  ContainerCreateOptions,
  ContainerInspectInfo,
  HostConfig,
  ImageInspectInfo,
  MountSettings,
} from 'dockerode';

export type Filters = Readonly<Record<string, readonly string[]>>;

/** A container to be made, without what the client adds to a call. */
export type ContainerSpec = Omit<ContainerCreateOptions, 'abortSignal'>;

/** A tar archive that is written while the engine takes it. */
export interface ArchiveInput {
  /** The folder in the container that it is unpacked into. */
  readonly path: string;
  /** About how much comes, which sets the deadline. */
  readonly sizeBytes: number;
  /** Writes all of it and finalizes it. What it fails with ends the call. */
  readonly write: (archive: Pack, signal: AbortSignal) => Promise<void>;
}

/** What the client's typings leave out: it takes options, a signal among them, in every call. */
interface Untyped {
  info(options: object): Promise<EngineInfo>;
  version(options: object): Promise<unknown>;
  loadImage(archive: Pack, options: object): Promise<NodeJS.ReadableStream>;
  importImage(archive: Buffer, options: object): Promise<NodeJS.ReadableStream>;
}

/**
 * The container engine. Every call has a deadline, and throws what the engine answered (with a status),
 * EngineUnavailable where it did not answer in time or in a known form, or the signal's reason.
 */
export class Engine {
  readonly #docker: Docker;
  readonly #untyped: Untyped;

  constructor(docker: Docker) {
    this.#docker = docker;
    this.#untyped = docker as unknown as Untyped;
  }

  async info(signal: AbortSignal): Promise<EngineInfo> {
    return await query(signal, (abortSignal) => this.#untyped.info({ abortSignal }));
  }

  async version(signal: AbortSignal): Promise<unknown> {
    return await query(signal, (abortSignal) => this.#untyped.version({ abortSignal }));
  }

  /** The container as the engine shows it; undefined when there is none of that name. */
  async inspectContainer(name: string, signal: AbortSignal): Promise<ContainerInspectInfo | undefined> {
    const info = await orAbsent(
      query(signal, (abortSignal) => this.#docker.getContainer(name).inspect({ abortSignal })),
    );
    if (info !== undefined && !isContainer(info))
      throw new EngineUnavailable('The container engine answered with something that is no container.');
    return info;
  }

  /** Containers with these labels; also those that do not run. */
  async listContainers(filters: Filters, signal: AbortSignal): Promise<readonly ContainerInfo[]> {
    const options = { all: true, filters: mutable(filters) };
    const found = await query(signal, (abortSignal) =>
      this.#docker.listContainers({ ...options, abortSignal }),
    );
    return asList(found);
  }

  /** Gives the id of the container. */
  async createContainer(spec: ContainerSpec, signal: AbortSignal): Promise<string> {
    const made = await change(signal, (abortSignal) =>
      this.#docker.createContainer({ ...spec, abortSignal }),
    );
    return made.id;
  }

  async startContainer(name: string, signal: AbortSignal): Promise<void> {
    await change(signal, (abortSignal) => this.#docker.getContainer(name).start({ abortSignal }));
  }

  async signalContainer(name: string, signalName: 'SIGTERM' | 'SIGKILL', signal: AbortSignal): Promise<void> {
    await query(signal, (abortSignal) =>
      this.#docker.getContainer(name).kill({ signal: signalName, abortSignal }),
    );
  }

  /** Resolves when the container does not run; fails with EngineUnavailable after `withinMs`. */
  async waitContainer(name: string, withinMs: number, signal: AbortSignal): Promise<void> {
    await callEngine(signal, withinMs, (abortSignal) =>
      this.#docker.getContainer(name).wait({ condition: 'not-running', abortSignal }),
    );
  }

  /** Kills and removes a container, and its anonymous volumes with it. */
  async removeContainer(id: string, signal: AbortSignal): Promise<void> {
    await change(signal, (abortSignal) =>
      this.#docker.getContainer(id).remove({ force: true, v: true, abortSignal }),
    );
  }

  /** Output with timestamps, from `since` on, in the engine's frames. `idleMs` is the longest silence. */
  async followLogs(
    name: string,
    { since, idleMs }: { readonly since: string; readonly idleMs: number },
    signal: AbortSignal,
  ): Promise<EngineStream> {
    const options = { follow: true, stdout: true, stderr: true, timestamps: true, since } as const;
    return await openEngineStream(signal, idleMs, (abortSignal) =>
      this.#docker.getContainer(name).logs({ ...options, abortSignal }),
    );
  }

  /** What the engine remembers, as lines of JSON; it ends with the window. */
  async events(window: EventWindow, filters: Filters, signal: AbortSignal): Promise<EngineStream> {
    return await openEngineStream(signal, deadlines.queryMs, (abortSignal) =>
      this.#docker.getEvents({ ...window, filters: mutable(filters), abortSignal }),
    );
  }

  /** Runs a program in a running container, and gives what it writes in the engine's frames. */
  async exec(name: string, command: readonly string[], signal: AbortSignal): Promise<EngineStream> {
    const exec = await query(signal, (abortSignal) =>
      this.#docker.getContainer(name).exec({ Cmd: [...command], AttachStdout: true, abortSignal }),
    );
    return await openEngineStream(signal, deadlines.queryMs, (abortSignal) => exec.start({ abortSignal }));
  }

  /** How many processes a container has and may have; 0 where the engine does not tell. */
  async countProcesses(id: string): Promise<{ readonly current: number; readonly limit: number }> {
    const stats = await query(AbortSignal.timeout(deadlines.queryMs), () =>
      this.#docker.getContainer(id).stats({ stream: false, 'one-shot': true }),
    );
    const { current = 0, limit = 0 } = stats.pids_stats ?? {};
    return { current, limit };
  }

  /** The engine's statistics of a path in a container, as JSON. They are of a link itself, not of what it leads to. */
  async pathStat(name: string, path: string, signal: AbortSignal): Promise<string> {
    const response = await query(signal, (abortSignal) =>
      this.#docker.getContainer(name).infoArchive({ path, abortSignal }),
    );
    response.resume();
    const text = String(response.headers['x-docker-container-path-stat'] ?? '');
    return Buffer.from(text, 'base64').toString('utf8');
  }

  /** A tar archive of what lies at a path of a container. */
  async getArchive(name: string, path: string, signal: AbortSignal): Promise<EngineStream> {
    return await openEngineStream(signal, deadlines.idleMs, (abortSignal) =>
      this.#docker.getContainer(name).getArchive({ path, abortSignal }),
    );
  }

  async putArchive(
    name: string,
    { path, sizeBytes, write }: ArchiveInput,
    signal: AbortSignal,
  ): Promise<void> {
    const archive = pack();
    await callEngine(signal, transferMs(sizeBytes), async (abortSignal) => {
      // The writer fails with the archive when the engine hangs up, and takes the archive along when it fails itself.
      const writing = write(archive, abortSignal).catch((error: Error) => archive.destroy(error));
      await this.#docker
        .getContainer(name)
        .putArchive(archive as unknown as NodeJS.ReadableStream, { path, abortSignal });
      await writing;
    }).finally(() => archive.destroy());
  }

  async createVolume(
    name: string,
    {
      options,
      labels,
    }: { readonly options: Record<string, string>; readonly labels: Record<string, string> },
    signal: AbortSignal,
  ): Promise<void> {
    const volume = { Name: name, Driver: 'local', DriverOpts: options, Labels: labels };
    await change(signal, (abortSignal) => this.#docker.createVolume({ ...volume, abortSignal }));
  }

  /** The volume's folder on the engine's host. */
  async volumeFolder(name: string, signal: AbortSignal): Promise<string> {
    const volume = await query(signal, (abortSignal) =>
      this.#docker.getVolume(name).inspect({ abortSignal }),
    );
    if (!volume.Mountpoint.startsWith('/'))
      throw new Error('the engine does not tell where it keeps a volume');
    return volume.Mountpoint;
  }

  async listVolumes(filters: Filters, signal: AbortSignal) {
    const { Volumes: volumes } = await query(signal, (abortSignal) =>
      this.#docker.listVolumes({ filters: mutable(filters), abortSignal }),
    );
    return asList(volumes ?? []);
  }

  async removeVolume(name: string, signal: AbortSignal): Promise<void> {
    await change(signal, (abortSignal) => this.#docker.getVolume(name).remove({ abortSignal }));
  }

  /** What the engine has of an image; undefined when it has none of that name. */
  async inspectImage(name: string, signal: AbortSignal): Promise<ImageInspectInfo | undefined> {
    return await orAbsent(
      query(signal, (abortSignal) => askOfImage<ImageInspectInfo>(this.#docker, name, abortSignal)),
    );
  }

  /** Bytes of each step of an image's history, the newest first. */
  async imageHistory(name: string, signal: AbortSignal): Promise<readonly number[]> {
    const history: unknown = await query(signal, () => this.#docker.getImage(name).history());
    return asList(history as readonly { readonly Size?: number }[]).map(({ Size = 0 }) => Size);
  }

  async imageIds(signal: AbortSignal): Promise<readonly string[]> {
    const images = await query(signal, (abortSignal) => this.#docker.listImages({ all: true, abortSignal }));
    return asList(images).map(({ Id: id }) => id);
  }

  /** Takes a name off an image, and removes the image with its last name. Its parents stay. */
  async removeImage(name: string, signal: AbortSignal): Promise<void> {
    await change(signal, (abortSignal) =>
      this.#docker.getImage(name).remove({ noprune: true, abortSignal } as object),
    );
  }

  /** Hands an archive of an image over, and gives what the engine says about it. `beginMs`: until it says anything. */
  async loadImage(archive: Pack, beginMs: number, signal: AbortSignal): Promise<EngineStream> {
    const load = (abortSignal: AbortSignal) =>
      this.#untyped.loadImage(archive, { quiet: false, abortSignal });
    return await openEngineStream(signal, deadlines.idleMs, load, beginMs);
  }

  /** Makes an image with one layer. */
  async importImage(
    layer: Buffer,
    { repo, tag }: { readonly repo: string; readonly tag: string },
    signal: AbortSignal,
  ): Promise<void> {
    const stream = await openEngineStream(signal, deadlines.changeMs, (abortSignal) =>
      this.#untyped.importImage(layer, { repo, tag, abortSignal }),
    );
    for await (const _chunk of stream.chunks);
  }
}

/** The engine behind a socket. */
export function openEngine(socketPath: string): Engine {
  return new Engine(connectEngine(socketPath));
}

type Action<T> = (abortSignal: AbortSignal) => Promise<T>;
const query = <T>(signal: AbortSignal, action: Action<T>) => callEngine(signal, deadlines.queryMs, action);
const change = <T>(signal: AbortSignal, action: Action<T>) => callEngine(signal, deadlines.changeMs, action);

/** The client's types want lists that it could change. */
function mutable(filters: Filters): Record<string, string[]> {
  return Object.fromEntries(Object.entries(filters).map(([name, values]) => [name, [...values]]));
}
