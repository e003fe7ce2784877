import type { PlanView } from '@capacloud/protocol/routes/market-views';
import type { PlanRoom } from '../ports/market-answers.ts';

type Wait = PlanView['wait'];

interface Asked {
  readonly tasks: number;
  /** All start together, so that the first waits as long as the last. */
  readonly isGang: boolean;
}

/** When the tasks would start, and what that rests on. */
export function planWait(
  { allMs, firstMs, pace, queuedBefore, tasksNow, tasksWhole }: PlanRoom,
  { tasks, isGang }: Asked,
): Wait {
  const queue = { queued_before: queuedBefore };
  if (tasksWhole === 0)
    return { basis: 'nowhere', ...queue, message: 'No node would run such a task: see the obstacles.' };
  if (isGang && tasksWhole < tasks)
    return {
      basis: 'nowhere',
      ...queue,
      message: `All ${tasks} tasks start together, and the nodes that would do have room for ${tasksWhole} at once.`,
    };
  const all = queuedBefore + tasks;
  if (tasksNow >= all)
    return {
      first_ms: 0,
      all_ms: 0,
      basis: 'free_now',
      ...queue,
      message: `${tasks === 1 ? 'The task' : `All ${tasks} tasks`} could start now.`,
    };
  const first = isGang ? all : queuedBefore + 1;
  const startNow = isGang ? 0 : Math.max(0, Math.min(tasks, tasksNow - queuedBefore));
  const now = startNow === 0 ? '' : `${startNow} of ${plural(tasks)} could start now. `;
  const before = queuedBefore === 0 ? '' : ` ${plural(queuedBefore)} of this kind wait already.`;
  const atLatest = { first_ms: firstMs, all_ms: allMs };
  if (pace !== undefined) {
    const byPace = (position: number): number => Math.max(0, position - tasksNow) * pace.eachMs;
    return {
      first_ms: Math.min(atLatest.first_ms, byPace(first)),
      all_ms: Math.min(atLatest.all_ms, byPace(all)),
      basis: 'late_pace',
      ...queue,
      message: `${now}Estimated from how fast such tasks left the queue recently (${pace.starts} starts).${before}`,
    };
  }
  return {
    ...atLatest,
    basis: 'running_ends',
    ...queue,
    message: `${now}Estimated from when what runs on these nodes has to end or to make way at the latest; most ends sooner.${before}`,
  };
}

function plural(tasks: number): string {
  return tasks === 1 ? '1 task' : `${tasks} tasks`;
}
