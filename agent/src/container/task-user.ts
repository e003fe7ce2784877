import type { ContainerUser, TaskUser } from '../core/container-user.ts';
import type { AttemptKey } from '../core/ports.ts';
import { uidLabel } from '../engine/attempt-names.ts';
import type { Engine } from '../engine/engine.ts';

interface EngineUsers {
  /** User ids of containers and volumes on the engine, of whatever agent. */
  readonly inUse: ReadonlySet<number>;
  /** The engine maps user ids, and has 65,536 of them. */
  readonly isMapped: boolean;
}

/** Durably gives an attempt a user id, always the same; undefined where every id is in use. */
export type TakeUid = (key: AttemptKey, engine: EngineUsers) => number | undefined;

/**
 * The user of an attempt's container. The kernel counts much by user id, over all containers: inotify instances, bytes of
 * message queues, pending signals, pages of pipes, locked memory, processes. So each attempt has an id of its own, also where
 * its job names one; the group stays, and with it the right to read files of the image's group. Root stays root.
 */
export async function taskUser(
  { engine, takeUid }: { readonly engine: Engine; readonly takeUid: TakeUid },
  key: AttemptKey,
  named: ContainerUser,
  signal: AbortSignal,
): Promise<TaskUser | undefined> {
  if (named.uid === 0) return { ...named, namedUid: 0 };
  const [{ SecurityOptions: options = [] }, inUse] = await Promise.all([
    engine.info(signal),
    uidsInUse(engine, signal),
  ]);
  const isMapped = options.some((option) => /^name=(userns|rootless)(,|$)/.test(option));
  const uid = takeUid(key, { inUse, isMapped });
  return uid === undefined ? undefined : { uid, gid: named.gid, namedUid: named.uid };
}

async function uidsInUse(engine: Engine, signal: AbortSignal): Promise<ReadonlySet<number>> {
  const filters = { label: [uidLabel] };
  const [containers, volumes] = await Promise.all([
    engine.listContainers(filters, signal),
    engine.listVolumes(filters, signal),
  ]);
  const labels = [...containers, ...volumes].map(({ Labels }) => Labels?.[uidLabel]);
  return new Set(labels.map(Number).filter(Number.isSafeInteger));
}
