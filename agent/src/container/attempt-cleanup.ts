import { setTimeout as delay } from 'node:timers/promises';
import type { AttemptKey } from '../core/ports.ts';
import { keyOfLabels, labelFilter, type RuntimeOwner, roleOfLabels } from '../engine/attempt-names.ts';
import type { Engine } from '../engine/engine.ts';
import { engineStatus } from '../engine/engine-call.ts';
import type { ScratchBackend } from '../scratch/scratch-backend.ts';
import { killStrays } from './stray-processes.ts';

const goneTries = 100;
const goneWaitMs = 300;

/** Where everything that an attempt holds can be found. */
export interface HeldParts {
  readonly engine: Engine;
  readonly owner: RuntimeOwner;
  readonly scratch: ScratchBackend;
}

/** Containers of the owner or of one attempt, by label; also those that do not run. */
export async function listContainers(
  engine: Engine,
  owner: RuntimeOwner,
  key: AttemptKey | undefined,
  signal: AbortSignal,
) {
  return await engine.listContainers(labelFilter(owner, key), signal);
}

export async function listVolumes(
  engine: Engine,
  owner: RuntimeOwner,
  key: AttemptKey | undefined,
  signal: AbortSignal,
) {
  return await engine.listVolumes(labelFilter(owner, key), signal);
}

/** Keys of everything that the engine or the host holds for this owner. */
export async function listAttempts(
  { engine, owner, scratch }: HeldParts,
  signal: AbortSignal,
): Promise<readonly { readonly key: AttemptKey; readonly scratch: boolean }[]> {
  const found = new Map<string, { key: AttemptKey; scratch: boolean }>();
  const note = (key: AttemptKey | undefined, isScratch: boolean) => {
    if (key === undefined) return;
    const name = `${key.task}-${key.attempt}`;
    found.set(name, { key, scratch: isScratch || found.get(name)?.scratch === true });
  };
  for (const container of await listContainers(engine, owner, undefined, signal))
    note(keyOfLabels(owner, container.Labels), roleOfLabels(container.Labels) !== 'task');
  for (const volume of await listVolumes(engine, owner, undefined, signal))
    note(keyOfLabels(owner, volume.Labels), true);
  for (const key of await scratch.leftovers()) note(key, true);
  return [...found.values()];
}

/**
 * Removes all of one attempt: the task first, because the keeper proves how the task ended; then the keeper and the
 * volumes that it held. Found by label, so another agent's container of the same name is never touched. Idempotent.
 */
export async function removeAttempt(
  { engine, owner, scratch }: HeldParts,
  key: AttemptKey,
  signal: AbortSignal,
): Promise<void> {
  const containers = await listContainers(engine, owner, key, signal);
  const isTask = (labels: Record<string, string>) => roleOfLabels(labels) === 'task';
  for (const container of containers.toSorted(
    (a, b) => Number(isTask(b.Labels)) - Number(isTask(a.Labels)),
  )) {
    await removeContainer(engine, container.Id, signal);
    if (container.State === 'created') await killStrays(container.Id);
  }
  for (const volume of await listVolumes(engine, owner, key, signal))
    await removeVolume(engine, volume.Name, signal);
  await scratch.release(key, signal);
}

export async function removeContainer(engine: Engine, id: string, signal: AbortSignal): Promise<void> {
  try {
    // With v the anonymous volumes go too.
    await engine.removeContainer(id, signal);
  } catch (error) {
    const status = engineStatus(error);
    if (status === 404) return;
    // 409: another removal is going on.
    if (status !== 409) throw error;
  }
  for (let tries = 0; tries < goneTries; tries++) {
    if ((await engine.inspectContainer(id, signal)) === undefined) return;
    await delay(goneWaitMs, undefined, { signal });
  }
  throw new Error('the engine does not remove a container');
}

async function removeVolume(engine: Engine, name: string, signal: AbortSignal): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      await engine.removeVolume(name, signal);
      return;
    } catch (error) {
      const status = engineStatus(error);
      if (status === 404) return;
      // 409: the container that used it is still being taken apart.
      if (status !== 409 || tries >= goneTries) throw error;
      await delay(goneWaitMs, undefined, { signal });
    }
  }
}
