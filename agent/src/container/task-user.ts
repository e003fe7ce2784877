import type Docker from 'dockerode';
import type { ContainerUser, TaskUser } from '../core/container-user.ts';
import type { AttemptKey } from '../core/ports.ts';
import { uidLabel } from '../engine/attempt-names.ts';
import { callEngine, deadlines, engineInfo } from '../engine/engine-call.ts';

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
  docker: Docker,
  takeUid: TakeUid,
  key: AttemptKey,
  named: ContainerUser,
  signal: AbortSignal,
): Promise<TaskUser | undefined> {
  if (named.uid === 0) return { ...named, namedUid: 0 };
  const [{ SecurityOptions: options = [] }, inUse] = await Promise.all([
    engineInfo(docker, signal),
    uidsInUse(docker, signal),
  ]);
  const isMapped = options.some((option) => /^name=(userns|rootless)(,|$)/.test(option));
  const uid = takeUid(key, { inUse, isMapped });
  return uid === undefined ? undefined : { uid, gid: named.gid, namedUid: named.uid };
}

async function uidsInUse(docker: Docker, signal: AbortSignal): Promise<ReadonlySet<number>> {
  const filters = { label: [uidLabel] };
  const [containers, { Volumes: volumes }] = await Promise.all([
    callEngine(signal, deadlines.queryMs, (abortSignal) =>
      docker.listContainers({ all: true, filters, abortSignal }),
    ),
    callEngine(signal, deadlines.queryMs, (abortSignal) => docker.listVolumes({ filters, abortSignal })),
  ]);
  const labels = [...containers, ...(volumes ?? [])].map(({ Labels }) => Labels?.[uidLabel]);
  return new Set(labels.map(Number).filter(Number.isSafeInteger));
}
