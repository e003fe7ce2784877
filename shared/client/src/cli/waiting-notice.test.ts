import { expect, test } from 'vitest';
import { WaitingNotice } from './waiting-notice.ts';

const full = { reason: 'no_capacity', message: '3 of 9 nodes could run a task.', hint: 'Wait.' };
const dear = { reason: 'price_too_low', message: 'Every node asks for more.', hint: '' };

test('a reason is told once and then each minute, however often it is asked for and whatever its counts are', () => {
  const notice = new WaitingNotice(0);
  const lines: [number, string][] = [];
  for (let nowMs = 2000; nowMs <= 130_000; nowMs += 1000) {
    const line = notice.lineAt({ ...full, message: `${nowMs} of 9 nodes.` }, nowMs);
    if (line !== undefined) lines.push([nowMs, line]);
  }
  expect(lines).toEqual([
    [2000, 'waiting: 2000 of 9 nodes. Wait.'],
    [62_000, 'still waiting after 1m 2s: 62000 of 9 nodes. Wait.'],
    [122_000, 'still waiting after 2m 2s: 122000 of 9 nodes. Wait.'],
  ]);
});

test('another reason is told at once, and reasons that alternate are told once a minute each', () => {
  const notice = new WaitingNotice(0);
  const said = [full, dear, full, dear].map((waiting, index) => notice.lineAt(waiting, index * 1000));
  expect(said).toEqual([
    'waiting: 3 of 9 nodes could run a task. Wait.',
    'waiting: Every node asks for more.',
    undefined,
    undefined,
  ]);
});
