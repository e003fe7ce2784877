import { isTerminal } from '@capacloud/core/slices/attempt/task-states';
import type { State } from '@capacloud/core/state';
import type { TaskId } from '@capacloud/protocol/ids';
import type { ArtifactIndex } from '../ports/artifact-index.ts';

const tasksAtOnce = 256;

/** Drops the checkpoints of tasks that have ended: nothing will go on there. */
export async function dropCheckpoints(
  index: Pick<ArtifactIndex, 'dropCheckpoint' | 'listCheckpoints'>,
  state: Pick<State, 'tasks'>,
  signal: AbortSignal,
): Promise<void> {
  let after: TaskId | undefined;
  do {
    const tasks = await index.listCheckpoints(after, tasksAtOnce);
    for (const id of tasks) {
      const task = state.tasks.get(id);
      if (task === undefined || isTerminal(task.state)) await index.dropCheckpoint(id);
    }
    after = tasks.at(-1);
  } while (after !== undefined && !signal.aborted);
}
