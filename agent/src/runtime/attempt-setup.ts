import type { Assignment } from '@capacloud/protocol/frames';
import { parseImageReference } from '@capacloud/protocol/image-reference';
import { accept, type Result } from '@capacloud/protocol/result';
import type Docker from 'dockerode';
import type { ContainerInspectInfo } from 'dockerode';
import type { AttemptKey, PlacedCheckpoint, PlacedInput, RuntimeFailure } from '../core/ports.ts';
import { removeAttempt } from './attempt-cleanup.ts';
import { inspectContainer } from './attempt-inspection.ts';
import { attemptLabels, containerName, keeperName, keyOfLabels, type RuntimeOwner } from './attempt-names.ts';
import { examineSaved, unpackSaved } from './checkpoint-restore.ts';
import {
  type ContainerPolicy,
  type ContainerUser,
  containerOptions,
  containerUser,
  lockedDown,
  maxImageVolumes,
} from './container-profile.ts';
import { callEngine, deadlines, engineInfo, engineMessage, engineStatus } from './engine-call.ts';
import type { ImageStore } from './image-store.ts';
import { copyInputs, InputMissing } from './input-copy.ts';
import { ensureKeeperImage, keeperProgram } from './keeper-image.ts';
import { type MountPlan, planMounts } from './mount-plan.ts';
import type { ScratchBackend } from './scratch-backend.ts';
import { isCommandFault } from './start-check.ts';

export interface SetupParts {
  readonly docker: Docker;
  readonly owner: RuntimeOwner;
  readonly policy: ContainerPolicy;
  readonly scratch: ScratchBackend;
  readonly images: ImageStore;
}

/** What is copied into the volumes before the container is made. */
export interface Placed {
  readonly inputs: readonly PlacedInput[];
  readonly saved: PlacedCheckpoint | undefined;
}

/** Enough for the runtime's own start-up inside the keeper's cgroup, and for one exec. */
const keeperMemoryBytes = 64 * 2 ** 20;
const keeperPids = 64;

function failure(reason: RuntimeFailure['reason'], message: string): Result<never, RuntimeFailure> {
  return { ok: false, refusal: { reason, message: message.slice(0, 500) } };
}

/**
 * Makes volumes, scratch, keeper and container of an attempt. The container is made last, so one that is there means
 * that all the rest was finished; anything less is cleared away and made anew.
 */
export async function setUpAttempt(
  parts: SetupParts,
  assignment: Assignment,
  placed: Placed,
  signal: AbortSignal,
): Promise<Result<void, RuntimeFailure>> {
  const key: AttemptKey = { task: assignment.task, attempt: assignment.attempt };
  const user = containerUser(assignment, parts.policy);
  if (user === undefined) return failure('refused', 'The owner does not allow containers that run as root.');
  const adopted = await adopt(parts, key, signal);
  if (adopted !== undefined) return adopted;
  await removeAttempt(parts.docker, parts.owner, parts.scratch, key, signal);
  const plan = planMounts(assignment);
  try {
    const fill = () => makeFilled(parts, key, plan, user, placed.inputs, signal);
    const saved = await examineSaved(assignment, plan, user, placed.saved, signal);
    await fill();
    if (saved !== undefined && !(await unpackSaved(parts.docker, key, saved, signal))) {
      // A part of it may be there, and nothing is better than that.
      await removeAttempt(parts.docker, parts.owner, parts.scratch, key, signal);
      await fill();
    }
  } catch (error) {
    if (error instanceof InputMissing) return failure('input_unavailable', error.message);
    if (engineStatus(error) === undefined) throw error;
    return failure('agent_failed', engineMessage(error));
  }
  return await makeTask(parts, assignment, plan, user, signal);
}

/** A container that is there already; undefined when there is none, or a new one has to be made. */
async function adopt(
  parts: SetupParts,
  key: AttemptKey,
  signal: AbortSignal,
): Promise<Result<void, RuntimeFailure> | undefined> {
  const task = await inspectContainer(parts.docker, containerName(key), signal);
  if (task === undefined) return undefined;
  if (keyOfLabels(parts.owner, task.Config.Labels) === undefined)
    return failure('refused', 'Another agent on this engine holds a container of this name.');
  if (hasStarted(task)) return accept(undefined);
  const keeper = await inspectContainer(parts.docker, keeperName(key), signal);
  return keeper?.State.Running === true ? accept(undefined) : undefined;
}

export function hasStarted(info: ContainerInspectInfo): boolean {
  return Date.parse(info.State.StartedAt) > 0;
}

/** Volumes with the inputs in them, and the keeper that holds them. */
async function makeFilled(
  parts: SetupParts,
  key: AttemptKey,
  plan: MountPlan,
  user: ContainerUser,
  inputs: readonly PlacedInput[],
  signal: AbortSignal,
): Promise<void> {
  await makeVolumes(parts, key, plan, user, signal);
  await makeKeeper(parts, key, plan, signal);
  await parts.scratch.entrust(key, signal);
  for (const mount of plan.inputs) await copyInputs(parts.docker, keeperName(key), mount, inputs, signal);
}

async function makeVolumes(
  parts: SetupParts,
  key: AttemptKey,
  plan: MountPlan,
  user: ContainerUser,
  signal: AbortSignal,
): Promise<void> {
  const make = async (name: string, role: 'input' | 'scratch', options: Record<string, string>) => {
    await callEngine(signal, deadlines.changeMs, (abortSignal) =>
      parts.docker.createVolume({
        Name: name,
        Driver: 'local',
        DriverOpts: options,
        Labels: attemptLabels(parts.owner, key, role),
        abortSignal,
      }),
    );
  };
  for (const mount of plan.inputs) await make(mount.volume, 'input', {});
  for (const mount of plan.scratch)
    await make(mount.volume, 'scratch', await parts.scratch.provide(mount, user, signal));
}

/** The keeper holds the volumes while the task does not run, and proves that the engine did not stop. */
async function makeKeeper(
  parts: SetupParts,
  key: AttemptKey,
  plan: MountPlan,
  signal: AbortSignal,
): Promise<void> {
  const image = await ensureKeeperImage(parts.docker, signal);
  const mounts = [...plan.inputs, ...plan.scratch].map((mount) => ({
    Type: 'volume' as const,
    Source: mount.volume,
    Target: mount.keeperPath,
    VolumeOptions: { NoCopy: true, Labels: {}, DriverConfig: { Name: '', Options: {} } },
  }));
  const keeper = await callEngine(signal, deadlines.changeMs, (abortSignal) =>
    parts.docker.createContainer({
      name: keeperName(key),
      Image: image,
      Entrypoint: [keeperProgram],
      User: '65532:65532',
      // It ends by nothing else, and an engine that stops would wait for it.
      StopSignal: 'SIGKILL',
      Labels: attemptLabels(parts.owner, key, 'keeper'),
      Healthcheck: { Test: ['NONE'] },
      HostConfig: {
        ...lockedDown,
        PidsLimit: keeperPids,
        Memory: keeperMemoryBytes,
        MemorySwap: keeperMemoryBytes,
        LogConfig: { Type: 'none', Config: {} },
        Mounts: mounts,
      },
      abortSignal,
    }),
  );
  await callEngine(signal, deadlines.changeMs, (abortSignal) => keeper.start({ abortSignal }));
}

async function makeTask(
  parts: SetupParts,
  assignment: Assignment,
  plan: MountPlan,
  user: ContainerUser,
  signal: AbortSignal,
): Promise<Result<void, RuntimeFailure>> {
  const reference = parseImageReference(assignment.image);
  const image = reference.ok ? await parts.images.find(reference.value, signal) : undefined;
  if (image === undefined) return failure('image_pull_failed', 'The image is no longer on the engine.');
  if (image.volumes.length > maxImageVolumes)
    return failure('start_failed', `The image declares more than ${maxImageVolumes} volumes.`);
  const { NCPU: hostCpus } = await engineInfo(parts.docker, signal);
  const options = containerOptions({
    assignment,
    owner: parts.owner,
    policy: parts.policy,
    user,
    image,
    plan,
    scratchInMemory: parts.scratch.inMemory,
    hostCpuMilli: hostCpus * 1000,
  });
  try {
    await callEngine(signal, deadlines.changeMs, (abortSignal) =>
      parts.docker.createContainer({ ...options, abortSignal }),
    );
    return accept(undefined);
  } catch (error) {
    const status = engineStatus(error);
    if (status === undefined) throw error;
    // 400: the engine does not accept what the job asks, as when there is no command.
    const message = engineMessage(error);
    return failure(status === 400 || isCommandFault(message) ? 'start_failed' : 'agent_failed', message);
  }
}
