import { expect, test } from 'vitest';
import { everyMinute } from './every-minute.ts';

test('calls as a minute begins, and ends with its signal', async () => {
  const stop = new AbortController();
  const startedAt = performance.now();
  // Half a second before the full minute.
  const nowMs = () => 59_500 + performance.now() - startedAt;
  const calledAt = await new Promise<number>((resolve) => {
    void everyMinute({ nowMs }, () => resolve(nowMs()), stop.signal);
  });
  expect(Math.floor(calledAt / 60_000)).toBe(1);
  stop.abort();
  await everyMinute({ nowMs }, () => expect.unreachable(), stop.signal);
});
