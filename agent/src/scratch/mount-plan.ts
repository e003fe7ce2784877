import { inputFolder, outputFolder } from '@capacloud/protocol/job/job-mounts';
import type { Assignment } from '@capacloud/protocol/wire/frames';
import type { AttemptKey } from '../core/ports.ts';
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
  /** The one of `scratch` that is saved; the last, because others are asked first for what became of the scratch. */
  readonly checkpoint?: ScratchMount;
}

const pageBytes = 4096;
/** A tmpfs of size 0 has no limit at all, so no quota is ever smaller than this. */
const minScratchBytes = 64 * 1024;

/**
 * Volumes of an attempt. Nested folders share the volume of the top-most one, because a mount point cannot be
 * made inside a read-only volume. The disk quota is divided evenly among the scratch folders, the checkpoint's included.
 */
export function planMounts(assignment: Assignment): MountPlan {
  const key: AttemptKey = { task: assignment.task, attempt: assignment.attempt };
  const name = containerName(key);
  const inputs = topmost(assignment.inputs.map((input) => inputFolder(input.target)));
  const outputs = topmost(assignment.outputs.map((output) => outputFolder(output.path)));
  const saved = assignment.checkpoint?.path.replace(/\/+$/, '');
  const folders = saved === undefined ? outputs : [...outputs, saved];
  const share =
    Math.floor(assignment.resources.diskBytes / Math.max(1, folders.length) / pageBytes) * pageBytes;
  const scratch = folders.map((folder, index) => ({
    folder,
    volume: `${name}-out${index}`,
    keeperPath: `/s${index}`,
    sizeBytes: Math.max(minScratchBytes, share),
  }));
  const checkpoint = saved === undefined ? undefined : scratch.at(-1);
  return {
    inputs: inputs.map((folder, index) => ({
      folder,
      volume: `${name}-in${index}`,
      keeperPath: `/i${index}`,
    })),
    scratch,
    ...(checkpoint === undefined ? {} : { checkpoint }),
  };
}

function topmost(folders: readonly string[]): readonly string[] {
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
