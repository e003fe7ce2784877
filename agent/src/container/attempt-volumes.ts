import type { Assignment } from '@capacloud/protocol/wire/frames';
import type { TaskUser } from '../core/container-user.ts';
import type { AttemptKey, PlacedInput } from '../core/ports.ts';
import { attemptLabels, containerName, keeperName, type RuntimeOwner } from '../engine/attempt-names.ts';
import type { ContainerSpec, Engine } from '../engine/engine.ts';
import { copyInputs, copyText, inputsIn } from '../features/inputs/input-copy.ts';
import { ensureKeeperImage, keeperProgram } from '../scratch/keeper-image.ts';
import type { MountPlan } from '../scratch/mount-plan.ts';
import type { ScratchBackend } from '../scratch/scratch-backend.ts';
import type { FileMount } from './container-mounts.ts';
import { lockedDown, ownUid, tmpOptions } from './container-profile.ts';
import { copyFromImage } from './image-copy.ts';
import type { ImageFit } from './image-fit.ts';
import type { ImageProbe } from './image-probe.ts';

interface VolumeParts {
  readonly engine: Engine;
  readonly owner: RuntimeOwner;
  readonly scratch: ScratchBackend;
}

/** All that decides which volumes an attempt has, and what lies in them before its container is made. */
export interface Furnishing {
  readonly assignment: Assignment;
  readonly key: AttemptKey;
  readonly plan: MountPlan;
  readonly user: TaskUser;
  readonly inputs: readonly PlacedInput[];
  readonly fit: ImageFit;
  readonly probe: ImageProbe;
}

/** Enough for the runtime's own start-up inside the keeper's cgroup, and for one exec. */
const keeperMemoryBytes = 64 * 2 ** 20;
const keeperPids = 64;
/** Where the keeper sees the volume of the agent's own files, and the name of the one. */
const ownFolder = '/e';
const passwdName = 'passwd';

function ownVolume(key: AttemptKey): string {
  return `${containerName(key)}-etc`;
}

/**
 * The kernel has 3,072 terminals for all containers together, and an engine lets each have as many as there are. So each has
 * an instance of its own that ends at this number, which leaves enough for a hundred containers at once.
 */
export const maxTerminals = 32;
const terminals = {
  type: 'devpts',
  device: 'devpts',
  o: `newinstance,nosuid,noexec,ptmxmode=0666,mode=0620,max=${maxTerminals}`,
};

export function terminalVolume({ key }: Pick<Furnishing, 'key'>): string {
  return `${containerName(key)}-pts`;
}

export function tmpVolume({ key, fit }: Furnishing): string | undefined {
  return fit.needsTmp ? `${containerName(key)}-tmp` : undefined;
}

/** Volumes with inputs and what the image holds in them, and the keeper that holds them. */
export async function furnish(
  parts: VolumeParts,
  furnishing: Furnishing,
  signal: AbortSignal,
): Promise<void> {
  const { fit, inputs, key, plan, probe, user } = furnishing;
  const keeper = keeperName(key);
  await makeVolumes(parts, furnishing, signal);
  await makeKeeper(parts, furnishing, signal);
  await parts.scratch.entrust(key, signal);
  for (const mount of plan.inputs) {
    const names = fit.singly.includes(mount) ? 'numbers' : 'own';
    await copyInputs(parts.engine, keeper, { mount, inputs, names }, signal);
  }
  const { passwd } = fit.user;
  if (passwd !== undefined)
    await copyText(parts.engine, keeper, { folder: ownFolder, name: passwdName, text: passwd }, signal);
  for (const mount of fit.copied) await copyFromImage(parts.engine, { keeper, mount, probe, user }, signal);
}

/** What the container mounts file by file. The engine tells where it keeps a volume. */
export async function fileMounts(
  { engine }: VolumeParts,
  { fit, inputs, key }: Furnishing,
  signal: AbortSignal,
): Promise<readonly FileMount[]> {
  const folderOf = (name: string) => engine.volumeFolder(name, signal);
  const files: FileMount[] = [];
  for (const mount of fit.singly) {
    const folder = await folderOf(mount.volume);
    for (const [index, { target }] of inputsIn(mount, inputs).entries())
      files.push({ source: `${folder}/${index}`, target });
  }
  if (fit.user.passwd !== undefined)
    files.push({ source: `${await folderOf(ownVolume(key))}/${passwdName}`, target: '/etc/passwd' });
  return files;
}

async function makeVolumes(parts: VolumeParts, furnishing: Furnishing, signal: AbortSignal): Promise<void> {
  const { assignment, fit, key, plan, user } = furnishing;
  const make = async (name: string, role: 'input' | 'scratch', options: Record<string, string>) => {
    const labels = attemptLabels(parts.owner, key, role, ownUid(user));
    await parts.engine.createVolume(name, { options, labels }, signal);
  };
  for (const mount of plan.inputs) await make(mount.volume, 'input', {});
  if (fit.user.passwd !== undefined) await make(ownVolume(key), 'input', {});
  for (const mount of plan.scratch)
    await make(mount.volume, 'scratch', await parts.scratch.provide(mount, user, signal));
  const tmp = tmpVolume(furnishing);
  const memory = { type: 'tmpfs', device: 'tmpfs', o: tmpOptions(assignment.resources.memoryBytes) };
  if (tmp !== undefined) await make(tmp, 'scratch', memory);
  await make(terminalVolume(furnishing), 'scratch', terminals);
}

/** The keeper holds the volumes while the task does not run, and proves that the engine did not stop. */
async function makeKeeper(
  parts: VolumeParts,
  { fit, key, plan, user }: Furnishing,
  signal: AbortSignal,
): Promise<void> {
  const image = await ensureKeeperImage(parts.engine, signal);
  const own = fit.user.passwd === undefined ? [] : [{ volume: ownVolume(key), keeperPath: ownFolder }];
  const mounts = [...plan.inputs, ...plan.scratch, ...own].map((mount) => ({
    Type: 'volume' as const,
    Source: mount.volume,
    Target: mount.keeperPath,
    VolumeOptions: { NoCopy: true, Labels: {}, DriverConfig: { Name: '', Options: {} } },
  }));
  const spec: ContainerSpec = {
    name: keeperName(key),
    Image: image,
    Entrypoint: [keeperProgram],
    User: '65532:65532',
    // It ends by nothing else, and an engine that stops would wait for it.
    StopSignal: 'SIGKILL',
    Labels: attemptLabels(parts.owner, key, 'keeper', ownUid(user)),
    Healthcheck: { Test: ['NONE'] },
    HostConfig: {
      ...lockedDown,
      PidsLimit: keeperPids,
      Memory: keeperMemoryBytes,
      MemorySwap: keeperMemoryBytes,
      LogConfig: { Type: 'none', Config: {} },
      Mounts: mounts,
    },
  };
  await parts.engine.startContainer(await parts.engine.createContainer(spec, signal), signal);
}
