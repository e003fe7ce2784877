import type { Assignment } from '@capacloud/protocol/wire/frames';
import { containerName } from '../engine/attempt-names.ts';

/** A folder of the task container that is a volume of its own; the keeper holds it under `keeperPath`. */
export interface PlannedMount {
  readonly folder: string;
  readonly volume: string;
  readonly keeperPath: string;
}
export interface ScratchMount extends PlannedMount {
  readonly sizeBytes: number;
}
export interface MountPlan {
  readonly inputs: readonly PlannedMount[];
  readonly scratch: readonly ScratchMount[];
}

const pageBytes = 4096;
/** A tmpfs of size 0 has no limit at all, so no quota is ever smaller than this. */
const minScratchBytes = 64 * 1024;

/**
 * Volumes of an attempt. The disk quota is divided evenly among the scratch folders. The engine's own names of volumes say
 * `out` for all scratch.
 */
export function planMounts(
  { task, attempt, resources }: Pick<Assignment, 'task' | 'attempt' | 'resources'>,
  folders: { readonly inputs: readonly string[]; readonly scratch: readonly string[] },
): MountPlan {
  const name = containerName({ task, attempt });
  const quotaBytes = resources.diskBytes / Math.max(1, folders.scratch.length);
  const sizeBytes = Math.max(minScratchBytes, Math.floor(quotaBytes / pageBytes) * pageBytes);
  return {
    inputs: folders.inputs.map((folder, index) => ({
      folder,
      volume: `${name}-in${index}`,
      keeperPath: `/i${index}`,
    })),
    scratch: folders.scratch.map((folder, index) => ({
      folder,
      volume: `${name}-out${index}`,
      keeperPath: `/s${index}`,
      sizeBytes,
    })),
  };
}

/** The scratch whose folder is `path`. That there is none is a programmer's error. */
export function scratchOf(plan: MountPlan, path: string): ScratchMount {
  const folder = path.replace(/\/+$/, '');
  const found = plan.scratch.find((mount) => mount.folder === folder);
  if (found === undefined) throw new Error('a feature asked for a scratch folder that it did not plan');
  return found;
}

/** Nested folders share the volume of the topmost one, because no mount point can be made inside a read-only volume. */
export function topmost(folders: readonly string[]): readonly string[] {
  const distinct = [...new Set(folders)].sort();
  return distinct.filter((folder) => !distinct.some((other) => folder.startsWith(`${other}/`)));
}

/** Where the keeper sees a path of the task container; undefined when no mount holds it. */
export function keeperPathOf(
  mounts: readonly PlannedMount[],
  path: string,
): { readonly mount: PlannedMount; readonly parts: readonly string[] } | undefined {
  const plain = path.replace(/\/+$/, '');
  const mount = mounts.find((entry) => plain === entry.folder || plain.startsWith(`${entry.folder}/`));
  if (mount === undefined) return undefined;
  return {
    mount,
    parts: plain
      .slice(mount.folder.length)
      .split('/')
      .filter((part) => part !== ''),
  };
}

/** Bytes of scratch in all; on a memory file system they count towards the container's memory. */
export function scratchBytes(plan: MountPlan): number {
  return plan.scratch.reduce((sum, mount) => sum + mount.sizeBytes, 0);
}

/** Inodes for a scratch of this size: one a 4 KiB block is plenty, and the kernel's memory for them is bounded. */
export function scratchInodes(sizeBytes: number): number {
  return Math.min(262_144, Math.max(256, Math.floor(sizeBytes / pageBytes)));
}
