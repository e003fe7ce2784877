import { getEventListeners } from 'node:events';
import { asyncProperty, assert as check, constantFrom } from 'fast-check';
import { expect, test, vi } from 'vitest';
import { abortable } from './abortable.ts';
import { waitAtMost } from './at-most.ts';
import { withDeadline } from './deadline.ts';
import { longestPauseMs, pause } from './pause.ts';

const gone = new Error('gone');
const broken = new Error('broken');
const listeners = (signal: AbortSignal) => getEventListeners(signal, 'abort').length;
const step = constantFrom('resolve', 'reject', 'abort');

test('the first to settle decides an abortable wait, and no listener stays', async () => {
  await check(
    asyncProperty(step, step, async (first, second) => {
      const controller = new AbortController();
      const work = Promise.withResolvers<string>();
      const steps = {
        resolve: () => work.resolve('done'),
        reject: () => work.reject(broken),
        abort: () => controller.abort(gone),
      };
      const waiting = abortable(work.promise, controller.signal).catch((error: unknown) => error);
      expect(listeners(controller.signal)).toBe(1);
      steps[first]();
      const result = await waiting;
      steps[second]();
      expect(result).toBe({ resolve: 'done', reject: broken, abort: gone }[first]);
      expect(listeners(controller.signal)).toBe(0);
      // What lost must not come up as an unhandled rejection.
      work.reject(broken);
    }),
  );
});

test('an aborted signal ends a wait at once, and a later failure of the work is ignored', async () => {
  const work = Promise.withResolvers<void>();
  await expect(abortable(work.promise, AbortSignal.abort(gone))).rejects.toBe(gone);
  work.reject(broken);
  await expect(work.promise).rejects.toBe(broken);
});

test('a pause ends by time or by its signal, and leaves no listener', async () => {
  const controller = new AbortController();
  await pause(1, controller.signal);
  expect(listeners(controller.signal)).toBe(0);
  const long = pause(longestPauseMs, controller.signal);
  controller.abort(gone);
  await expect(long).rejects.toBe(gone);
  expect(listeners(controller.signal)).toBe(0);
  await expect(pause(1, controller.signal)).rejects.toBe(gone);
});

test.each([longestPauseMs + 1, Number.POSITIVE_INFINITY, Number.NaN])(
  'a pause of %d ms is refused, because a timer would fire at once',
  async (durationMs) => {
    await expect(pause(durationMs)).rejects.toThrow(RangeError);
  },
);

test('a deadline ends work that ignores its signal, and aborts that signal', async () => {
  let seen: AbortSignal | undefined;
  const { signal } = new AbortController();
  const waiting = withDeadline({ limitMs: 5, signal, error: () => broken }, (limit) => {
    seen = limit;
    return new Promise(() => {});
  });
  await expect(waiting).rejects.toBe(broken);
  expect(seen?.reason).toBe(broken);
});

test('under a deadline the caller may still abort, and the work may end in time', async () => {
  const controller = new AbortController();
  const deadline = { limitMs: 60_000, signal: controller.signal, error: () => broken };
  expect(await withDeadline(deadline, () => Promise.resolve(7))).toBe(7);
  const waiting = withDeadline(deadline, () => new Promise(() => {}));
  controller.abort(gone);
  await expect(waiting).rejects.toBe(gone);
  let calls = 0;
  const late = withDeadline(deadline, () => Promise.resolve(++calls));
  await expect(late).rejects.toBe(gone);
  expect(calls).toBe(0);
});

test('a wait of at most some time ends with the work or with the time, and leaves no timer', async () => {
  vi.useFakeTimers();
  try {
    await waitAtMost(60_000, Promise.resolve());
    await expect(waitAtMost(60_000, Promise.reject(broken))).rejects.toBe(broken);
    expect(vi.getTimerCount()).toBe(0);
    const work = Promise.withResolvers<void>();
    const waiting = waitAtMost(60_000, work.promise);
    await vi.advanceTimersByTimeAsync(60_000);
    await waiting;
    work.reject(broken);
  } finally {
    vi.useRealTimers();
  }
});
