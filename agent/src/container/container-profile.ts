import type { Assignment } from '@capacloud/protocol/wire/frames';
import type { ContainerUser, TaskUser } from '../core/container-user.ts';
import { attemptLabels, containerName, filledLabel, type RuntimeOwner } from '../engine/attempt-names.ts';
import type { ContainerCreateOptions, HostConfig } from '../engine/engine.ts';
import { type MountPlan, scratchBytes } from '../scratch/mount-plan.ts';
import { containerMounts, type FileMount, imageVolumeBytes, imageVolumes } from './container-mounts.ts';
import { seccompOption } from './seccomp/seccomp-profile.ts';
import { homeVariables, taskHome } from './task-home.ts';

/** What the owner of the machine decides about containers. */
export interface ContainerPolicy {
  readonly allowRoot: boolean;
  readonly pidsLimit: number;
  /** Name of an engine runtime such as runsc; the engine's default when absent. */
  readonly containerRuntime?: string;
}

/** What the image brings that the profile has to take back. */
export interface ImageConfig {
  /** Of the image that was checked; what the job calls it could mean another one by now. */
  readonly id: string;
  readonly env: readonly string[];
  /** Folders that the image declares as volumes. */
  readonly volumes: readonly string[];
}

const mebibyte = 2 ** 20;
/** The engine refuses less. */
const minMemoryBytes = 6 * mebibyte;
const defaultUserId = 65_532;
const defaultShmBytes = 64 * mebibyte;
const maxTmpBytes = 2 ** 30;
const memoryFolderInodes = 65_536;
/** Not above the hard limit of common engines: one without CAP_SYS_RESOURCE could not raise it. */
export const maxOpenFiles = 16_384;

/** The numeric user that a job names; undefined when it would be root and the owner does not allow that. */
export function namedUser(assignment: Assignment, policy: ContainerPolicy): ContainerUser | undefined {
  const [user, group] = (assignment.user ?? `${defaultUserId}:${defaultUserId}`).split(':');
  const uid = Number(user);
  // Without a group the engine would take the image's, or 0.
  const gid = group === undefined ? uid : Number(group);
  const inRange = uid < 2 ** 31 && gid < 2 ** 31;
  // ISOLATE-2
  return inRange && (policy.allowRoot || (uid !== 0 && gid !== 0)) ? { uid, gid } : undefined;
}

/** The user id that has to be kept from other attempts; root's is everybody's. */
export function ownUid({ uid, namedUid }: TaskUser): number | undefined {
  return namedUid === 0 ? undefined : uid;
}

/** Variables that decide which devices and libraries the NVIDIA hook takes; only the agent sets them. */
function isReserved(name: string): boolean {
  return name.startsWith('NVIDIA_');
}

/**
 * Environment in the engine's form. The image's own NVIDIA_* and LD_* are taken back: a bare name removes the
 * variable (the hook runs with it on the host side, CVE-2025-23266). `void` hides every device from a hook that
 * is the engine's default runtime.
 */
export function containerEnv(
  assignment: Assignment,
  image: ImageConfig,
  userName = 'task',
  home: string = taskHome,
): string[] {
  const env = new Map<string, string | undefined>();
  for (const entry of image.env) {
    const name = entry.split('=', 1)[0] ?? '';
    if (/^(NVIDIA|LD)_/.test(name)) env.set(name, undefined);
  }
  for (const [name, value] of Object.entries({
    ...homeVariables(assignment.env, userName, home),
    ...assignment.env,
  })) {
    // ISOLATE-3
    if (isReserved(name) || (assignment.devices.length > 0 && name.startsWith('LD_'))) continue;
    env.set(name, value);
  }
  env.set('CAPACLOUD_TASK_INDEX', String(assignment.taskIndex));
  env.set('CAPACLOUD_TASK_COUNT', String(assignment.taskCount));
  env.set('CAPACLOUD_TASK_ID', assignment.task);
  env.set('CAPACLOUD_ATTEMPT', String(assignment.attempt));
  if (assignment.devices.length === 0) env.set('NVIDIA_VISIBLE_DEVICES', 'void');
  else env.set('NVIDIA_DRIVER_CAPABILITIES', 'compute,utility');
  return [...env].map(([name, value]) => (value === undefined ? name : `${name}=${value}`));
}

/**
 * Logs on the engine's disk are bounded: twelve files of 10 MB, all but the newest compressed. The agent reads them as they are
 * written; this is how far a program that writes faster may get ahead before something is lost that nobody has read.
 */
const localLog = { Type: 'local', Config: { 'max-size': '10m', 'max-file': '12' } };

/** What task and keeper have in common: no network, no rights, no writable root. */
export const lockedDown = {
  // ISOLATE-1
  NetworkMode: 'none',
  IpcMode: 'private',
  ReadonlyRootfs: true,
  CapDrop: ['ALL'],
  SecurityOpt: ['no-new-privileges:true', seccompOption],
  Privileged: false,
  // With AutoRemove an exit code is lost when the client dies.
  AutoRemove: false,
  RestartPolicy: { Name: 'no' },
} satisfies HostConfig;

interface ProfileInput {
  readonly assignment: Assignment;
  readonly owner: RuntimeOwner;
  readonly policy: ContainerPolicy;
  readonly user: TaskUser;
  readonly image: ImageConfig;
  readonly plan: MountPlan;
  /** Scratch lies on a memory file system, whose pages count towards the container's memory. */
  readonly scratchInMemory: boolean;
  readonly hostCpuMilli: number;
  readonly userName?: string;
  /** Groups of the image's user beside its first. */
  readonly groups?: readonly number[];
  /** Of the container's user; absent: the usual one. */
  readonly home?: string;
  /** A memory file system for /tmp; absent where the engine can make a /tmp that everybody may write into. */
  readonly tmpVolume?: string;
  /** Instead of the engine's own /dev/pts, which has no limit of the container's own. */
  readonly terminalVolume?: string;
  readonly files?: readonly FileMount[];
  /** The first scratch holds files of the image, which were written after the start of the keeper. */
  readonly isFilled?: boolean;
  /** What the engine itself wrote into scratch: the kernel charges it to the engine, not to the container. */
  readonly filledBytes?: number;
}

/**
 * What the limit of memory grows by for scratch in memory. With what is charged to the engine already, a container never
 * holds more than the memory and the disk that its task pays for.
 */
function scratchMemory({ assignment, plan, filledBytes = 0 }: ProfileInput): number {
  return Math.max(0, Math.min(scratchBytes(plan), assignment.resources.diskBytes) - filledBytes);
}

/** Half of the memory, as what lies there is part of it. */
function memoryFolderBytes(memoryBytes: number): number {
  return Math.max(mebibyte, Math.floor(memoryBytes / 2));
}

/** Options of the mount of /tmp, for the engine's own and for a volume alike. */
export function tmpOptions(memoryBytes: number): string {
  const sizeBytes = Math.min(maxTmpBytes, memoryFolderBytes(memoryBytes));
  return `noexec,nosuid,nodev,mode=1777,size=${sizeBytes},nr_inodes=${memoryFolderInodes}`;
}

function homeOptions(memoryBytes: number, { uid, gid }: ContainerUser): string {
  const sizeBytes = memoryFolderBytes(memoryBytes);
  const owner = `uid=${uid},gid=${gid},mode=0700`;
  return `rw,exec,nosuid,nodev,${owner},size=${sizeBytes},nr_inodes=${memoryFolderInodes}`;
}

function hostConfig(input: ProfileInput): HostConfig {
  const { resources, devices } = input.assignment;
  const memory =
    Math.max(minMemoryBytes, resources.memoryBytes) + (input.scratchInMemory ? scratchMemory(input) : 0);
  const shmBytes = resources.shmBytes === 0 ? defaultShmBytes : resources.shmBytes;
  // Above every file system that the container may write to, so that a full one says ENOSPC, not SIGXFSZ.
  const fileBytes =
    scratchBytes(input.plan) +
    Math.max(memoryFolderBytes(resources.memoryBytes), shmBytes) +
    imageVolumeBytes;
  const mounts = containerMounts(input.plan, input);
  // A folder of the job's own may be the home.
  const { home = taskHome } = input;
  const isHomeMounted = mounts.some((mount) => mount.Target === home);
  const config: HostConfig = {
    ...lockedDown,
    PidsLimit: input.policy.pidsLimit,
    Memory: memory,
    // Without it the engine allows as much swap again.
    MemorySwap: memory,
    NanoCpus: Math.max(10, Math.min(resources.cpuMilli, input.hostCpuMilli)) * 1_000_000,
    ShmSize: shmBytes,
    Tmpfs: {
      ...imageVolumes(input.image.volumes, mounts, input.user, home),
      ...(input.tmpVolume === undefined ? { '/tmp': `rw,${tmpOptions(resources.memoryBytes)}` } : {}),
      ...(isHomeMounted ? {} : { [home]: homeOptions(resources.memoryBytes, input.user) }),
    },
    Ulimits: [
      { Name: 'nofile', Soft: maxOpenFiles, Hard: maxOpenFiles },
      { Name: 'fsize', Soft: fileBytes, Hard: fileBytes },
      { Name: 'core', Soft: 0, Hard: 0 },
    ],
    OomScoreAdj: 500,
    Init: true,
    GroupAdd: (input.groups ?? []).map(String),
    LogConfig: localLog,
    Mounts: mounts,
  };
  if (devices.length > 0) {
    // An empty driver lets the engine choose CDI or the hook.
    config.DeviceRequests = [{ Driver: '', DeviceIDs: [...devices], Capabilities: [['gpu']] }];
  }
  if (input.policy.containerRuntime !== undefined) config.Runtime = input.policy.containerRuntime;
  return config;
}

/** The whole container, built here alone: no field of it comes over the wire. */
export function containerOptions(input: ProfileInput): ContainerCreateOptions & { name: string } {
  const { assignment, owner, user } = input;
  const key = { task: assignment.task, attempt: assignment.attempt };
  const options: ContainerCreateOptions & { name: string } = {
    name: containerName(key),
    Image: input.image.id,
    Hostname: 'task',
    User: `${user.uid}:${user.gid}`,
    Env: containerEnv(assignment, input.image, input.userName, input.home),
    Labels: {
      ...attemptLabels(owner, key, 'task', ownUid(user)),
      ...(input.isFilled === true ? { [filledLabel]: 'image' } : {}),
    },
    Healthcheck: { Test: ['NONE'] },
    AttachStdin: false,
    OpenStdin: false,
    Tty: false,
    HostConfig: hostConfig(input),
  };
  if (assignment.entrypoint !== undefined) options.Entrypoint = [...assignment.entrypoint];
  if (assignment.command !== undefined) options.Cmd = [...assignment.command];
  if (assignment.workingDir !== undefined) options.WorkingDir = assignment.workingDir;
  return options;
}
