import type { TaskId } from '@capacloud/protocol/ids';
import { expect, it } from 'vitest';
import { dropCheckpoints } from './ended-checkpoints.ts';

it('drops the checkpoints of tasks that have ended, however many there are, and no others', async () => {
  const ids = Array.from({ length: 700 }, (_, n) => `job_x.${String(n).padStart(4, '0')}` as TaskId);
  const kept = new Set(ids);
  const live = new Set(ids.filter((_, n) => n % 3 === 1));
  const liveAmong = (tasks: readonly TaskId[]) => Promise.resolve(tasks.filter((id) => live.has(id)));
  const index = {
    listCheckpoints: (after: TaskId | undefined, limit: number) =>
      Promise.resolve([...kept].filter((id) => after === undefined || id > after).slice(0, limit)),
    dropCheckpoint(id: TaskId) {
      kept.delete(id);
      return Promise.resolve();
    },
  };
  await dropCheckpoints(index, { liveAmong }, new AbortController().signal);
  expect([...kept]).toEqual([...live]);
});
