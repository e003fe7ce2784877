import type { ImageProbe } from './image-probe.ts';
import { taskHome, taskHomes } from './task-home.ts';

/** What an image holds in places that the agent mounts something over. */
export interface ImageLayout {
  /** /etc/passwd; undefined where there is none, or none of a sensible size. */
  readonly passwd: string | undefined;
  /** /etc/group, in the same way. */
  readonly group: string | undefined;
  /** Everybody may write into /tmp. Also where the image has none, because the mount makes it. */
  readonly tmpIsOpen: boolean;
  /** A folder for the home of the task's user: absent or empty in the image. */
  readonly home: string;
  /** By folder, some names of what it holds; none where it is absent or empty. */
  readonly names: ReadonlyMap<string, readonly string[]>;
}

const maxPasswdBytes = 64 * 1024;
const openMode = 0o1777;
const maxKnownImages = 256;
const maxKnownFolders = 256;

interface KnownImage {
  readonly passwd: string | undefined;
  readonly group: string | undefined;
  readonly tmpIsOpen: boolean;
  readonly home: string;
  readonly names: Map<string, readonly string[]>;
}

/** Layouts of images by their ids. An image never changes, so it is looked into once, and once more for each new folder. */
export class ImageLayouts {
  readonly #known = new Map<string, KnownImage>();

  async read(
    image: string,
    folders: readonly string[],
    probe: ImageProbe,
    signal: AbortSignal,
  ): Promise<ImageLayout> {
    const known = this.#known.get(image) ?? (await look(probe, signal));
    const names = new Map<string, readonly string[]>();
    for (const folder of folders) {
      const found = known.names.get(folder) ?? (await probe.namesIn(folder, signal));
      names.set(folder, found);
      known.names.set(folder, found);
    }
    forgetOldest(known.names, maxKnownFolders);
    // The newest last: what was used lately stays.
    this.#known.delete(image);
    this.#known.set(image, known);
    forgetOldest(this.#known, maxKnownImages);
    const { group, home, passwd, tmpIsOpen } = known;
    return { passwd, group, tmpIsOpen, home, names };
  }
}

async function look(probe: ImageProbe, signal: AbortSignal): Promise<KnownImage> {
  const tmp = await probe.stat('/tmp', signal);
  return {
    passwd: await probe.readText('/etc/passwd', maxPasswdBytes, signal),
    group: await probe.readText('/etc/group', maxPasswdBytes, signal),
    tmpIsOpen: tmp === undefined || (tmp.isFolder && tmp.mode === openMode),
    home: await freeHome(probe, signal),
    names: new Map(),
  };
}

async function freeHome(probe: ImageProbe, signal: AbortSignal): Promise<string> {
  for (const home of taskHomes) {
    const found = await probe.stat(home, signal);
    if (found === undefined) return home;
    if (found.isFolder && (await probe.namesIn(home, signal)).length === 0) return home;
  }
  return taskHome;
}

function forgetOldest(entries: Map<string, unknown>, most: number): void {
  for (const oldest of entries.keys()) {
    if (entries.size <= most) return;
    entries.delete(oldest);
  }
}
