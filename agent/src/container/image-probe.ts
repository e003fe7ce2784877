import { extract } from 'tar-stream';
import type { AttemptKey } from '../core/ports.ts';
import { attemptLabels, probeName, type RuntimeOwner } from '../engine/attempt-names.ts';
import type { ContainerSpec, Engine } from '../engine/engine.ts';
import { engineStatus } from '../engine/engine-call.ts';
import { type PathStat, statPath } from '../engine/path-stat.ts';
import { feed } from '../engine/tar-feed.ts';
import { removeContainer } from './attempt-cleanup.ts';
import { lockedDown } from './container-profile.ts';

interface ProbedImage {
  readonly id: string;
  readonly volumes: readonly string[];
}

/** Names that are told of a folder. */
const maxNames = 3;
/** How much of a folder's content is read for one more name: it may hold a single folder with all of a data set. */
const maxLookedBytes = 16 * 2 ** 20;
const maxLookedEntries = 1000;

/**
 * A container of the image that is never started, through which the engine shows the image's files. It is made when it is
 * first asked, and bears the attempt's labels, so that it goes with the attempt where the agent dies.
 */
export class ImageProbe {
  readonly #engine: Engine;
  readonly #owner: RuntimeOwner;
  readonly #key: AttemptKey;
  readonly #image: ProbedImage;
  #container: string | undefined;

  constructor(engine: Engine, owner: RuntimeOwner, key: AttemptKey, image: ProbedImage) {
    this.#engine = engine;
    this.#owner = owner;
    this.#key = key;
    this.#image = image;
  }

  async stat(path: string, signal: AbortSignal): Promise<PathStat | undefined> {
    return await statPath(this.#engine, await this.#make(signal), path, signal);
  }

  /** The content of a small plain file; undefined where it is anything else. Bytes are kept as latin-1. */
  async readText(path: string, maxBytes: number, signal: AbortSignal): Promise<string | undefined> {
    const stat = await this.stat(path, signal);
    if (stat?.isFile !== true || stat.sizeBytes > maxBytes) return undefined;
    const stream = await this.openArchive(path, signal);
    const archive = extract();
    void feed(stream.chunks, archive);
    try {
      for await (const entry of archive) {
        let text = '';
        for await (const chunk of entry as AsyncIterable<Buffer>) {
          text += chunk.toString('latin1');
          if (text.length > maxBytes) return undefined;
        }
        return text;
      }
      return undefined;
    } finally {
      stream.close();
    }
  }

  /** Some names of what a folder holds; none where it is empty, absent or no folder. */
  async namesIn(folder: string, signal: AbortSignal): Promise<readonly string[]> {
    if ((await this.stat(folder, signal)) === undefined) return [];
    const stream = await this.openArchive(`${folder}/.`, signal).catch((error: unknown) => {
      // A file, or a link that leads nowhere.
      if (engineStatus(error) !== undefined) return undefined;
      throw error;
    });
    if (stream === undefined) return [];
    const archive = extract();
    void feed(stream.chunks, archive);
    const names = new Set<string>();
    let leftBytes = maxLookedBytes;
    let leftEntries = maxLookedEntries;
    try {
      for await (const entry of archive) {
        entry.resume();
        const [name = ''] = entry.header.name.replace(/^\.?\/+/, '').split('/');
        if (name !== '') names.add(name);
        leftBytes -= entry.header.size ?? 0;
        leftEntries -= 1;
        if (names.size === maxNames || (names.size > 0 && (leftBytes < 0 || leftEntries < 0))) break;
      }
      return [...names];
    } finally {
      stream.close();
    }
  }

  /** A tar archive of what lies at the path. */
  async openArchive(path: string, signal: AbortSignal) {
    const container = await this.#make(signal);
    return await this.#engine.getArchive(container, path, signal);
  }

  async close(signal: AbortSignal): Promise<void> {
    if (this.#container === undefined) return;
    await removeContainer(this.#engine, this.#container, signal);
    this.#container = undefined;
  }

  async #make(signal: AbortSignal): Promise<string> {
    if (this.#container !== undefined) return this.#container;
    const spec: ContainerSpec = {
      name: probeName(this.#key),
      Image: this.#image.id,
      Entrypoint: ['/never-started'],
      Labels: attemptLabels(this.#owner, this.#key, 'probe'),
      HostConfig: {
        ...lockedDown,
        LogConfig: { Type: 'none', Config: {} },
        // Left alone, each would become a volume on the disk with a copy of what the image holds there.
        Mounts: this.#image.volumes.map((folder) => ({ Type: 'tmpfs', Source: '', Target: folder })),
      },
    };
    const id = await this.#engine.createContainer(spec, signal);
    this.#container = id;
    return id;
  }
}
