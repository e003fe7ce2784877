import { expect, it } from 'vitest';
import { BeatQueue } from './beat-queue.ts';
import type { Session } from './session.ts';

it('acknowledges a heartbeat once what was decided before it is on disk, and the newest of a session alone', async () => {
  const barriers: (() => void)[] = [];
  const durable = () => new Promise<void>((resolve) => barriers.push(resolve));
  const told: [Session, number][] = [];
  const repeated: Session[] = [];
  const beats = new BeatQueue(
    { durable },
    (session, beat) => told.push([session, beat]),
    (session) => repeated.push(session),
  );
  const [first, second] = [{} as Session, {} as Session];
  beats.add(first, 1);
  beats.add(first, 3);
  beats.add(first, 2);
  beats.add(second, 7);
  await Promise.resolve();
  expect([told, barriers.length]).toEqual([[], 1]);
  // The agent hears of the coordinator all the same, however long the disk takes.
  expect(repeated).toEqual([first, first]);
  barriers[0]?.();
  await expect.poll(() => barriers.length).toBe(2);
  expect(told).toEqual([[first, 1]]);
  barriers[1]?.();
  await expect.poll(() => told.length).toBe(3);
  expect(told.slice(1)).toEqual([
    [first, 3],
    [second, 7],
  ]);
  beats.add(first, 4);
  expect(repeated).toHaveLength(2);
});
