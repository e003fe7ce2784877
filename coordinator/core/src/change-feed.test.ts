import { expect, it } from 'vitest';
import { Machine } from './testing/harness.ts';

it('keeps nothing of a job but what the next look has to know', () => {
  const machine = Machine.ready();
  machine.submit(1, { tasks: 3 });
  const seen: object[] = [];
  expect(machine.state.feed.submitted.follow(0, (work) => seen.push(work))).toBe(true);
  expect(seen).toEqual([{ resources: machine.job(1).terms.resources, tasks: 3 }]);
});

it('says when a follower comes too late', () => {
  const { feed } = Machine.ready().state;
  const visited: number[] = [];
  for (let n = 0; n < 40_000; n++) feed.idled.push(n);
  expect(feed.idled.follow(0, () => {})).toBe(false);
  expect(feed.idled.follow(feed.idled.end - 2, (row) => visited.push(row))).toBe(true);
  expect(visited).toEqual([39_998, 39_999]);
});
