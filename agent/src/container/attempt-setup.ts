import { parseImageReference } from '@capacloud/protocol/job/image-reference';
import { accept, type Result } from '@capacloud/protocol/result';
import type { Assignment } from '@capacloud/protocol/wire/frames';
import { PlacedFileMissing } from '../core/placed-file.ts';
import type { AttemptKey, PlacedArchive, PlacedInput, RuntimeFailure } from '../core/ports.ts';
import { type Sentence, say } from '../core/sentence.ts';
import { containerName, keeperName, keyOfLabels, type RuntimeOwner } from '../engine/attempt-names.ts';
import type { ContainerInspectInfo, Engine } from '../engine/engine.ts';
import { engineMessage, engineStatus } from '../engine/engine-call.ts';
import { judgeRefusal } from '../engine/engine-refusal.ts';
import type { Fill } from '../features/feature.ts';
import { fillsOf, planAttempt, textsOf } from '../features/of-assignment.ts';
import type { ImageFacts, ImageStore } from '../images/image-store.ts';
import { settingsFault } from '../images/registry/image-config.ts';
import type { ScratchBackend } from '../scratch/scratch-backend.ts';
import { measureScratch } from '../scratch/scratch-usage.ts';
import { removeAttempt } from './attempt-cleanup.ts';
import { type Furnishing, fileMounts, furnish, terminalVolume, tmpVolume } from './attempt-volumes.ts';
import { type ContainerPolicy, containerOptions, namedUser } from './container-profile.ts';
import { ImageFolderTooLarge } from './image-copy.ts';
import { fitToImage, foldersOf } from './image-fit.ts';
import type { ImageLayouts } from './image-layout.ts';
import { ImageProbe } from './image-probe.ts';
import { type TakeUid, taskUser } from './task-user.ts';

export interface SetupParts {
  readonly engine: Engine;
  readonly owner: RuntimeOwner;
  readonly policy: ContainerPolicy;
  readonly takeUid: TakeUid;
  readonly scratch: ScratchBackend;
  readonly images: ImageStore;
  readonly layouts: ImageLayouts;
}

/** What is copied into the volumes before the container is made. */
export interface Placed {
  readonly inputs: readonly PlacedInput[];
  readonly saved: PlacedArchive | undefined;
}

function failure(
  reason: RuntimeFailure['reason'],
  message: Sentence,
  detail?: string,
): Result<never, RuntimeFailure> {
  return { ok: false, refusal: { reason, message, ...(detail === undefined ? {} : { detail }) } };
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
  const named = namedUser(assignment, parts.policy);
  if (named === undefined)
    return failure('refused', say`The owner does not allow containers that run as root.`);
  const adopted = await adopt(parts, key, signal);
  if (adopted !== undefined) return adopted;
  await removeAttempt(parts, key, signal);
  const reference = parseImageReference(assignment.image);
  const image = reference.ok ? await parts.images.find(reference.value, signal) : undefined;
  if (image === undefined) return failure('image_pull_failed', say`The image is no longer on the engine.`);
  const unusable = settingsFault(image);
  if (unusable !== undefined) return failure('image_invalid', unusable);
  const user = await taskUser(parts, key, named, signal);
  if (user === undefined) return failure('agent_failed', say`Every user id of the agent is in use.`);
  const plan = planAttempt(assignment);
  const probe = new ImageProbe(parts.engine, parts.owner, key, image);
  try {
    const layout = await parts.layouts.read(image.id, foldersOf(assignment, plan), probe, signal);
    const fit = fitToImage(assignment, plan, user, layout);
    if (!fit.ok) return failure('start_failed', fit.refusal);
    const furnishing = { assignment, key, plan, user, inputs: placed.inputs, fit: fit.value, probe };
    const filledBytes = await fill(parts, furnishing, placed.saved, signal);
    await probe.close(signal);
    return await makeTask(parts, furnishing, { image, filledBytes }, signal);
  } catch (error) {
    if (error instanceof PlacedFileMissing)
      return failure('input_unavailable', say`An input of the task is no longer on the node.`, error.message);
    if (error instanceof ImageFolderTooLarge) return failure('start_failed', error.sentence);
    if (engineStatus(error) === undefined) throw error;
    const message = say`The container engine could not make what the container needs.`;
    return failure('agent_failed', message, engineMessage(error));
  }
}

/** Gives the bytes that the engine wrote into scratch in memory, which are charged to nobody's container. */
async function fill(
  parts: SetupParts,
  furnishing: Furnishing,
  saved: PlacedArchive | undefined,
  signal: AbortSignal,
): Promise<number> {
  const { assignment, fit, key, plan, user } = furnishing;
  const input = { engine: parts.engine, assignment, plan, owner: user, saved };
  let fills = await fillsOf(input, signal);
  await furnish(parts, furnishing, signal);
  for (;;) {
    const refused = await firstRefused(fills, signal);
    if (refused === undefined) break;
    // A part of it may be there, and nothing is better than that.
    await removeAttempt(parts, key, signal);
    await furnish(parts, furnishing, signal);
    fills = fills.filter((fill) => fill !== refused);
  }
  if (!parts.scratch.inMemory || (fills.length === 0 && fit.copied.length === 0)) return 0;
  return (await measureScratch(parts.engine, keeperName(key), plan.scratch, signal)).usedBytes;
}

async function firstRefused(fills: readonly Fill[], signal: AbortSignal): Promise<Fill | undefined> {
  for (const fill of fills) if (!(await fill(signal))) return fill;
  return undefined;
}

/** A container that is there already; undefined when there is none, or a new one has to be made. */
async function adopt(
  parts: SetupParts,
  key: AttemptKey,
  signal: AbortSignal,
): Promise<Result<void, RuntimeFailure> | undefined> {
  const task = await parts.engine.inspectContainer(containerName(key), signal);
  if (task === undefined) return undefined;
  if (keyOfLabels(parts.owner, task.Config.Labels) === undefined)
    return failure('refused', say`Another agent on this engine holds a container of this name.`);
  if (hasStarted(task)) return accept(undefined);
  const keeper = await parts.engine.inspectContainer(keeperName(key), signal);
  return keeper?.State.Running === true ? accept(undefined) : undefined;
}

export function hasStarted(info: ContainerInspectInfo): boolean {
  return Date.parse(info.State.StartedAt) > 0;
}

async function makeTask(
  parts: SetupParts,
  furnishing: Furnishing,
  { image, filledBytes }: { readonly image: ImageFacts; readonly filledBytes: number },
  signal: AbortSignal,
): Promise<Result<void, RuntimeFailure>> {
  const { assignment, fit, plan, user } = furnishing;
  const { NCPU: hostCpus } = await parts.engine.info(signal);
  const tmp = tmpVolume(furnishing);
  const options = containerOptions({
    assignment,
    owner: parts.owner,
    policy: parts.policy,
    user,
    userName: fit.user.name,
    home: fit.user.home,
    groups: fit.user.groups,
    image,
    plan: { ...plan, inputs: plan.inputs.filter((mount) => !fit.singly.includes(mount)) },
    files: await fileMounts(parts, furnishing, signal),
    ...(tmp === undefined ? {} : { tmpVolume: tmp }),
    terminalVolume: terminalVolume(furnishing),
    isFilled: plan.scratch.some((mount, index) => index === 0 && fit.copied.includes(mount)),
    filledBytes,
    scratchInMemory: parts.scratch.inMemory,
    hostCpuMilli: hostCpus * 1000,
  });
  try {
    await parts.engine.createContainer(options, signal);
    return accept(undefined);
  } catch (error) {
    const status = engineStatus(error);
    if (status === undefined) throw error;
    const ownTexts = [
      ...textsOf(assignment),
      ...image.volumes,
      ...image.entrypoint,
      ...image.command,
      image.workingDir,
    ];
    return { ok: false, refusal: judgeRefusal({ status, detail: engineMessage(error), ownTexts }) };
  }
}
