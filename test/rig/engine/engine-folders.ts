import { createHash } from 'node:crypto';
import { mkdirSync, statfsSync } from 'node:fs';
import { join } from 'node:path';

/** Where an engine of ours keeps its things. */
export interface EngineFolders {
  /** Sockets, pid file, log and locks. Short on purpose: a unix socket's path has at most 107 characters (unix(7)). */
  readonly runDir: string;
  /** Images and containers. Kept between runs. */
  readonly dataRoot: string;
}

/** Magic numbers (statfs(2)) of file systems that can carry the upper layer of overlayfs. */
const overlayCapable: ReadonlyMap<number, string> = new Map([
  [0xef53, 'ext4'],
  [0x58465342, 'xfs'],
  [0x9123683e, 'btrfs'],
  [0xf2f52010, 'f2fs'],
]);

/** True where dockerd's overlay2 driver can keep its data: the file system can, and the path needs no quoting in mount options. */
export function canHostOverlay(path: string): boolean {
  if (/[\s,:\\"]/.test(path)) return false;
  return overlayCapable.has(statfsSync(path).type);
}

/**
 * One set of folders for each checkout, so that two checkouts never meet. The data lies in the checkout's
 * ignored cache where that can carry it, else in /var/lib.
 */
export function engineFolders(root: string): EngineFolders {
  const checkout = createHash('sha256').update(root).digest('hex').slice(0, 8);
  const cache = join(root, '.cache');
  mkdirSync(cache, { recursive: true });
  return {
    runDir: `/run/capacloud-dev-${checkout}`,
    dataRoot: canHostOverlay(cache) ? join(cache, 'docker') : `/var/lib/capacloud-dev/${checkout}`,
  };
}
