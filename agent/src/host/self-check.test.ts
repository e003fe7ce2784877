import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { type Finding, finding } from './checks/finding.ts';
import { SelfCheck } from './self-check.ts';

const log = { info() {}, warn() {}, error() {} };

test('nothing is taken before the first round, and while a check is red; it comes back by itself', async () => {
  let isRed = false;
  let rounds = 0;
  let changes = 0;
  const examine = (): Promise<readonly Finding[]> => {
    rounds += 1;
    return Promise.resolve([finding('disk', !isRed, 'x', 'y', 'z')]);
  };
  const check = new SelfCheck({
    examine,
    log,
    onChange: () => (changes += 1),
    pauses: { wellMs: 1, redMs: 1 },
  });
  expect(check.isWell).toBe(false);
  const ending = new AbortController();
  const running = check.run(ending.signal);
  const settle = async () => {
    const from = rounds;
    while (rounds < from + 2) await sleep(1);
  };
  await settle();
  expect({ isWell: check.isWell, changes }).toEqual({ isWell: true, changes: 1 });
  isRed = true;
  await settle();
  expect({ isWell: check.isWell, changes }).toEqual({ isWell: false, changes: 2 });
  isRed = false;
  await settle();
  expect({ isWell: check.isWell, changes }).toEqual({ isWell: true, changes: 3 });
  ending.abort();
  await running;
});
