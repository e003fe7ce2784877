import { isTaskId, type NodeId } from '@capacloud/protocol/ids';
import { type AttemptKey, attemptKeyText } from '../core/ports.ts';

/** Whose attempts these are. Several agents may share one engine; each sees only its own. */
export interface RuntimeOwner {
  readonly node: NodeId;
  readonly coordinator: string;
}

export type AttemptRole = 'task' | 'keeper' | 'probe' | 'input' | 'scratch';

const names = {
  node: 'capacloud.node',
  coordinator: 'capacloud.coordinator',
  task: 'capacloud.task',
  attempt: 'capacloud.attempt',
  role: 'capacloud.role',
} as const;

/** On containers and volumes of an attempt that has a user id of its own: no other attempt may have it. */
export const uidLabel = 'capacloud.uid';

/** On a task container whose first scratch was given files of the image. */
export const filledLabel = 'capacloud.filled';

/** The name of the task container; that of everything else of the attempt begins with it. */
export function containerName(key: AttemptKey): string {
  return `cc-${attemptKeyText(key)}`;
}
export function keeperName(key: AttemptKey): string {
  return `${containerName(key)}-keeper`;
}
export function probeName(key: AttemptKey): string {
  return `${containerName(key)}-probe`;
}

export function attemptLabels(
  owner: RuntimeOwner,
  key: AttemptKey,
  role: AttemptRole,
  uid?: number,
): Record<string, string> {
  return {
    [names.node]: owner.node,
    [names.coordinator]: owner.coordinator,
    [names.task]: key.task,
    [names.attempt]: String(key.attempt),
    [names.role]: role,
    ...(uid === undefined ? {} : { [uidLabel]: String(uid) }),
  };
}

/** Filter of an engine's list for all that this owner has, or for all of one attempt. */
export function labelFilter(owner: RuntimeOwner, key?: AttemptKey): { label: string[] } {
  const label = [`${names.node}=${owner.node}`, `${names.coordinator}=${owner.coordinator}`];
  if (key !== undefined) label.push(`${names.task}=${key.task}`, `${names.attempt}=${key.attempt}`);
  return { label };
}

type Labels = Readonly<Record<string, string>> | null | undefined;

/** The attempt that labels name, or undefined when they are not whole or not this owner's. */
export function keyOfLabels(owner: RuntimeOwner, labels: Labels): AttemptKey | undefined {
  if (labels?.[names.node] !== owner.node || labels[names.coordinator] !== owner.coordinator)
    return undefined;
  const task = labels[names.task] ?? '';
  const attempt = Number(labels[names.attempt]);
  return isTaskId(task) && Number.isSafeInteger(attempt) && attempt > 0 ? { task, attempt } : undefined;
}

export function roleOfLabels(labels: Labels): string | undefined {
  return labels?.[names.role];
}

/** The attempt whose container name `text` begins with: `cc-<task>-<attempt>-…`. */
export function keyOfName(text: string): AttemptKey | undefined {
  const match = /^cc-(.+)-([1-9][0-9]{0,8})-(?:out|in)[0-9]+/.exec(text);
  const task = match?.[1] ?? '';
  return isTaskId(task) ? { task, attempt: Number(match?.[2]) } : undefined;
}
