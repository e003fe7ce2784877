import type { ContainerUser } from '../core/container-user.ts';
import type { MountSettings } from '../engine/engine.ts';
import { plainFolder } from '../images/image-volumes.ts';
import type { MountPlan } from '../scratch/mount-plan.ts';

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
  /** Where the terminals of the container are. */
  readonly terminalVolume?: string;
  readonly files?: readonly FileMount[];
}

/** Memory for one folder that the image declares as a volume; it is part of what the container may use. */
export const imageVolumeBytes = 16 * 2 ** 20;

// What the image holds at the mount point is not copied into the volume.
const noCopy = { NoCopy: true, Labels: {}, DriverConfig: { Name: '', Options: {} } };

function volumeMount(volume: string, folder: string, isReadOnly: boolean): MountSettings {
  return { Type: 'volume', Source: volume, Target: folder, ReadOnly: isReadOnly, VolumeOptions: noCopy };
}

/** All mounts of a task but those that the engine makes of plain memory. */
export function containerMounts(
  plan: MountPlan,
  { tmpVolume, terminalVolume, files = [] }: OwnMounts,
): MountSettings[] {
  return [
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
    ...(terminalVolume === undefined ? [] : [volumeMount(terminalVolume, '/dev/pts', false)]),
  ];
}

/**
 * Memory for the folders that the image declares as volumes. Left alone, each would become an anonymous volume: writable
 * disk without any quota. So does one whose memory is given under another spelling, such as //data for /data. They belong to
 * the container's user, because the engine gives them the mode of the image's folder.
 */
export function imageVolumes(
  folders: readonly string[],
  mounts: readonly MountSettings[],
  { uid, gid }: ContainerUser,
  home: string,
): Record<string, string> {
  const taken = new Set([...mounts.map((mount) => mount.Target), '/tmp', '/dev/shm', home]);
  const options = `rw,noexec,nosuid,nodev,mode=1777,uid=${uid},gid=${gid},size=${imageVolumeBytes}`;
  const free = folders.map(plainFolder).filter((folder) => !taken.has(folder));
  return Object.fromEntries(free.map((folder) => [folder, options]));
}
