import type { TaskId } from '@capacloud/protocol/ids';
import type { ArtifactIndex } from '../ports/artifact-index.ts';
import type { ArtifactQuestions } from '../ports/questions.ts';

const tasksAtOnce = 256;

/** Drops the checkpoints of tasks that have ended: nothing will go on there. */
export async function dropCheckpoints(
  index: Pick<ArtifactIndex, 'dropCheckpoint' | 'listCheckpoints'>,
  questions: Pick<ArtifactQuestions, 'liveAmong'>,
  signal: AbortSignal,
): Promise<void> {
  let after: TaskId | undefined;
  do {
    const tasks = await index.listCheckpoints(after, tasksAtOnce);
    const live = new Set(await questions.liveAmong(tasks));
    for (const id of tasks) if (!live.has(id)) await index.dropCheckpoint(id);
    after = tasks.at(-1);
  } while (after !== undefined && !signal.aborted);
}
