import { invariant } from '../../assert.ts';
import type { ReadOnly } from '../../read-only.ts';
import type { State } from '../../state.ts';
import { isReady } from '../job/queue.ts';
import type { Job } from '../job/record.ts';
import type { Task } from './record.ts';
import { stageDeadline } from './stage-clock.ts';
import { isActive, isTerminal } from './task-states.ts';

export function checkAttempts(state: ReadOnly<State>): void {
  for (const job of state.jobs.values()) for (const task of job.tasks) checkTask(state, job, task);
  checkTaskIndexes(state);
}

function checkTask(state: ReadOnly<State>, job: ReadOnly<Job>, task: ReadOnly<Task>): void {
  invariant(state.tasks.get(task.id) === task, `${task.id} is not indexed`);
  invariant((task.hold === 'held') === !isTerminal(task.state), `${task.id}: ${task.state} and ${task.hold}`);
  if (isActive(task.state)) {
    const node = task.node === undefined ? undefined : state.nodes.get(task.node);
    invariant(node?.occupied.get(task.id)?.attempt === task.attempt, `${task.id} does not occupy its node`);
    invariant(task.dueAt === stageDeadline(state.ruleset, job, task), `${task.id}: clock`);
  }
  if (task.interruptible) {
    invariant(isActive(task.state) && state.interruptible.has(task), `${task.id}: interruptible`);
    invariant(job.terms.interruptible === true, `${task.id} may not be interrupted`);
  }
  if (task.held !== undefined)
    invariant(task.state === 'uploading' && task.heldAt > 0 && state.held.has(task), `${task.id} is held`);
}

/** Nothing is in an index but what was found above. */
function checkTaskIndexes(state: ReadOnly<State>): void {
  const tasks = [...state.jobs.values()].flatMap((job) => job.tasks);
  const count = (isCounted: (task: ReadOnly<Task>) => boolean) => tasks.filter(isCounted).length;
  invariant(tasks.length === state.tasks.size, 'tasks without a job');
  invariant(count(({ state: stage }) => isActive(stage)) === state.stageClocks.size, 'stage clocks');
  const backing = count((task) => task.state === 'queued' && !isReady(task));
  invariant(backing === state.backoffs.size, 'backoffs');
  const interruptible = count((task) => task.interruptible);
  invariant(interruptible === state.interruptible.size, 'interruptible attempts');
  const held = count((task) => task.held !== undefined);
  const full = count((task) => task.held?.full === true);
  invariant(held === state.held.size && full === state.fullHolds, 'held uploads');
}
