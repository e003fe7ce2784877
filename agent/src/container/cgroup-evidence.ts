import { type FSWatcher, watch } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Engine } from '../engine/engine.ts';

/** What the kernel counted while the container's cgroup existed; it is gone with the last process. */
export interface KernelEvidence {
  readonly pidsExhausted: boolean;
  readonly oomKilled: boolean;
}

export const noEvidence: KernelEvidence = { pidsExhausted: false, oomKilled: false };

export function mergeEvidence(a: KernelEvidence, b: KernelEvidence): KernelEvidence {
  return { pidsExhausted: a.pidsExhausted || b.pidsExhausted, oomKilled: a.oomKilled || b.oomKilled };
}

const filePollMs = 200;
const statsPollMs = 2000;

export interface CgroupFiles {
  readonly pidsEvents: string;
  readonly memoryEvents: string;
}

/**
 * Files of a container's cgroup, from /proc/PID/cgroup (cgroups(7)): one line `id:controllers:path` a hierarchy,
 * where version 2 has no controllers. Undefined unless the text speaks of this container, as when the agent has
 * process ids of its own.
 */
export function cgroupFiles(text: string, containerId: string): CgroupFiles | undefined {
  const paths = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [, controllers, ...path] = line.split(':');
    if (controllers === undefined) continue;
    for (const controller of controllers.split(',')) paths.set(controller, path.join(':'));
  }
  const folder = (controller: string): string | undefined => {
    const first = paths.get(controller);
    const path = first ?? paths.get('');
    if (path === undefined || !path.includes(containerId)) return undefined;
    return first === undefined ? `/sys/fs/cgroup${path}` : `/sys/fs/cgroup/${controller}${path}`;
  };
  const pids = folder('pids');
  const memory = folder('memory');
  if (pids === undefined || memory === undefined) return undefined;
  const memoryFile = paths.has('memory') ? 'memory.oom_control' : 'memory.events';
  return { pidsEvents: `${pids}/pids.events`, memoryEvents: `${memory}/${memoryFile}` };
}

/** The count behind a name in a flat keyed file (`oom_kill 3`); 0 when it is not there. */
export function countOf(text: string, name: string): number {
  return Number(new RegExp(`^${name} ([0-9]+)$`, 'm').exec(text)?.[1] ?? 0);
}

/** Watches one running container until it is closed or the cgroup is gone. Evidence never goes away again. */
export class CgroupWatch {
  #evidence: KernelEvidence = noEvidence;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;
  #reading = false;
  readonly #watchers: FSWatcher[] = [];
  readonly #read: () => Promise<KernelEvidence>;

  private constructor(read: () => Promise<KernelEvidence>, files: readonly string[], pollMs: number) {
    this.#read = read;
    // The kernel announces a change of these files; the timer covers where it does not.
    for (const file of files) {
      try {
        const watcher = watch(file, { persistent: false }, () => void this.#sample());
        watcher.on('error', () => watcher.close());
        this.#watchers.push(watcher);
      } catch {
        // Gone already, or out of inotify watches: the timer will do.
      }
    }
    this.#timer = setInterval(() => void this.#sample(), pollMs).unref();
    void this.#sample();
  }

  /** Through the files where they can be read, else through the engine's statistics. */
  static async open(engine: Engine, containerId: string, pid: number): Promise<CgroupWatch> {
    const text = await readFile(`/proc/${pid}/cgroup`, 'utf8').catch(() => '');
    const files = cgroupFiles(text, containerId);
    if (files === undefined) return new CgroupWatch(() => readStats(engine, containerId), [], statsPollMs);
    return new CgroupWatch(() => readFiles(files), [files.pidsEvents, files.memoryEvents], filePollMs);
  }

  get evidence(): KernelEvidence {
    return this.#evidence;
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#timer);
    this.#timer = undefined;
    for (const watcher of this.#watchers) watcher.close();
  }

  async #sample(): Promise<void> {
    if (this.#reading || this.#closed) return;
    this.#reading = true;
    try {
      this.#evidence = mergeEvidence(this.#evidence, await this.#read());
    } catch {
      this.close();
    } finally {
      this.#reading = false;
    }
  }
}

async function readFiles(files: CgroupFiles): Promise<KernelEvidence> {
  const [pids, memory] = await Promise.all([
    readFile(files.pidsEvents, 'utf8'),
    readFile(files.memoryEvents, 'utf8'),
  ]);
  return { pidsExhausted: countOf(pids, 'max') > 0, oomKilled: countOf(memory, 'oom_kill') > 0 };
}

async function readStats(engine: Engine, containerId: string): Promise<KernelEvidence> {
  const { current, limit } = await engine.countProcesses(containerId);
  return { pidsExhausted: limit > 0 && current >= limit, oomKilled: false };
}
