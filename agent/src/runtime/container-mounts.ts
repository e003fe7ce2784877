import type { MountSettings } from 'dockerode';
import type { MountPlan } from './mount-plan.ts';
import { taskHome } from './task-home.ts';

/**
 * One file of a volume. `source` is the volume's folder on the engine's host, as the engine tells it, with a name that the
 * agent chose: engines before 26 mount a file of a volume in no other way.
 */
export interface FileMount {
  readonly source: string;
  readonly target: string;
}

interface OwnMounts {
  readonly tmpVolume?: string;
  readonly files?: readonly FileMount[];
}

export const imageVolumeBytes = 16 * 2 ** 20;
export const maxImageVolumes = 16;

// What the image holds at the mount point is not copied into the volume.
const noCopy = { NoCopy: true, Labels: {}, DriverConfig: { Name: '', Options: {} } };

function volumeMount(volume: string, folder: string, isReadOnly: boolean): MountSettings {
  return { Type: 'volume', Source: volume, Target: folder, ReadOnly: isReadOnly, VolumeOptions: noCopy };
}

/** All mounts of a task but those that the engine makes of plain memory. */
export function containerMounts(
  plan: MountPlan,
  image: { readonly volumes: readonly string[] },
  { tmpVolume, files = [] }: OwnMounts,
): MountSettings[] {
  const mounts: MountSettings[] = [
    ...plan.inputs.map((mount) => volumeMount(mount.volume, mount.folder, true)),
    ...plan.scratch.map((mount) => volumeMount(mount.volume, mount.folder, false)),
    ...files.map(
      ({ source, target }): MountSettings => ({
        Type: 'bind',
        Source: source,
        Target: target,
        ReadOnly: true,
      }),
    ),
    ...(tmpVolume === undefined ? [] : [volumeMount(tmpVolume, '/tmp', false)]),
  ];
  const taken = new Set([...mounts.map((mount) => mount.Target), '/tmp', '/dev/shm', taskHome]);
  for (const folder of image.volumes) {
    if (taken.has(folder.replace(/\/+$/, ''))) continue;
    // Left alone, each would become an anonymous volume: writable disk without any quota.
    mounts.push({
      Type: 'tmpfs',
      Source: '',
      Target: folder,
      TmpfsOptions: { SizeBytes: imageVolumeBytes, Mode: 0o1777 },
    });
  }
  return mounts;
}
