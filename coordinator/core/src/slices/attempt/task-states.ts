import type { AttemptStage } from '@capacloud/protocol/wire/frames';

export type TaskState =
  | 'queued'
  | 'assigned'
  | 'pulling'
  | 'starting'
  | 'running'
  | 'uploading'
  | 'verifying'
  | 'succeeded'
  | 'failed'
  | 'cancelled'
  | 'expired';

/** The one transition table of a task. What it does not list cannot happen. */
export const taskTransitions: Readonly<Record<TaskState, readonly TaskState[]>> = {
  queued: ['assigned', 'cancelled', 'expired'],
  assigned: ['pulling', 'queued', 'failed', 'cancelled'],
  pulling: ['starting', 'queued', 'failed', 'cancelled'],
  starting: ['running', 'queued', 'failed', 'cancelled'],
  running: ['uploading', 'queued', 'failed', 'cancelled'],
  uploading: ['verifying', 'queued', 'failed', 'cancelled'],
  verifying: ['succeeded', 'queued', 'failed', 'cancelled'],
  succeeded: [],
  failed: [],
  cancelled: [],
  expired: [],
};

/** Position on the way of an attempt; 0 for the states outside it. */
const wayIndex: Readonly<Record<TaskState, number>> = {
  queued: 0,
  assigned: 1,
  pulling: 2,
  starting: 3,
  running: 4,
  uploading: 5,
  verifying: 6,
  succeeded: 7,
  failed: 0,
  cancelled: 0,
  expired: 0,
};
const lastActive = 6;

/** An attempt of the task is under way. */
export function isActive(state: TaskState): boolean {
  const index = wayIndex[state];
  return index >= 1 && index <= lastActive;
}

export function isTerminal(state: TaskState): boolean {
  return taskTransitions[state].length === 0;
}

/**
 * Whether a report may take a task from `from` to `to`: one step of the table, or several forward along the way
 * of an attempt, because reports come batched and late.
 */
export function canMove(from: TaskState, to: TaskState): boolean {
  const start = wayIndex[from];
  const end = wayIndex[to];
  if (start >= 1 && end >= 1) return end > start;
  return taskTransitions[from].includes(to);
}

/** What a stage reported by the agent means for a task in `state`. */
export function judgeStage(state: TaskState, stage: AttemptStage): 'move' | 'repeat' | 'illegal' {
  if (state === stage) return 'repeat';
  // guard: take no stage back
  return isActive(state) && canMove(state, stage) ? 'move' : 'illegal';
}
