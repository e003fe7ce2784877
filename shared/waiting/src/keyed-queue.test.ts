import { array, asyncProperty, boolean, assert as check, constantFrom, record } from 'fast-check';
import { expect, test } from 'vitest';
import { KeyedQueue, QueueFull } from './keyed-queue.ts';

test('actions of one key run in order and never overlap, failures included', async () => {
  const action = record({ key: constantFrom('a', 'b', 'c'), fails: boolean() });
  await check(
    asyncProperty(array(action, { maxLength: 20 }), async (actions) => {
      const queue = new KeyedQueue(20);
      const running = new Set<string>();
      const seen: number[] = [];
      const results = await Promise.allSettled(
        actions.map(({ key, fails }, index) =>
          queue.run(key, async () => {
            expect(running.has(key)).toBe(false);
            running.add(key);
            await Promise.resolve();
            running.delete(key);
            seen.push(index);
            if (fails) throw new Error('planned');
          }),
        ),
      );
      expect(results.map(({ status }) => status === 'rejected')).toEqual(actions.map(({ fails }) => fails));
      for (const name of ['a', 'b', 'c']) {
        const order = seen.filter((index) => actions[index]?.key === name);
        expect(order).toEqual(order.toSorted((left, right) => left - right));
      }
      expect(queue.size).toBe(0);
    }),
  );
});

test('a key at its bound refuses, others do not, and it takes more once one is done', async () => {
  const queue = new KeyedQueue(2);
  const gate = Promise.withResolvers<void>();
  const first = queue.run('a', () => gate.promise);
  const second = queue.run('a', () => Promise.resolve());
  await expect(queue.run('a', () => Promise.resolve())).rejects.toThrow(QueueFull);
  expect(await queue.run('b', () => Promise.resolve(1))).toBe(1);
  gate.resolve();
  await Promise.all([first, second]);
  expect(await queue.run('a', () => Promise.resolve(2))).toBe(2);
});
