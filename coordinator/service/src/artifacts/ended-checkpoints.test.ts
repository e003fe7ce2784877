import type { State } from '@capacloud/core/state';
import type { TaskId } from '@capacloud/protocol/ids';
import { expect, it } from 'vitest';
import { dropCheckpoints } from './ended-checkpoints.ts';

it('drops the checkpoints of tasks that have ended, however many there are, and no others', async () => {
  const ids = Array.from({ length: 700 }, (_, n) => `job_x.${String(n).padStart(4, '0')}` as TaskId);
  const kept = new Set(ids);
  // A third has been forgotten, a third has ended, and the rest waits or runs.
  const states = ['succeeded', 'queued'] as const;
  const tasks = new Map(
    ids.flatMap((id, n) => (n % 3 === 2 ? [] : [[id, { state: states[n % 3] }] as const])),
  ) as unknown as State['tasks'];
  const index = {
    listCheckpoints: (after: TaskId | undefined, limit: number) =>
      Promise.resolve([...kept].filter((id) => after === undefined || id > after).slice(0, limit)),
    dropCheckpoint(id: TaskId) {
      kept.delete(id);
      return Promise.resolve();
    },
  };
  await dropCheckpoints(index, { tasks }, new AbortController().signal);
  expect([...kept]).toEqual(ids.filter((_, n) => n % 3 === 1));
});
