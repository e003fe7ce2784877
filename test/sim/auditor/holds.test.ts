import { expect, it } from 'vitest';
import type { Rule } from './observation.ts';
import { ada, job, node, other, ruleBrokenBy, ruleset, Story, task } from './story.ts';

const rules = { ...ruleset, uploadHoldMs: 200_000 };
const held = { type: 'upload.held', task, attempt: 1, cause: 'store', sizeBytes: 9 };
const resumed = { type: 'upload.resumed', task, attempt: 1 };
const failed = { exitCode: undefined, receipt: undefined, released: false, then: { kind: 'failed' } };
const next = { ...job, job: 'job_b', consumer: ada };

/** A task uploads, and the store has no room for what it brings. */
const uploading = (): Story =>
  new Story()
    .open()
    .commit({ type: 'ruleset.changed', ruleset: rules })
    .submit()
    .assign()
    .report('pulling')
    .report('starting')
    .container('started')
    .report('running')
    .wait(1_000)
    .container('ended')
    .report('uploading');
const short = (): Story => uploading().tell({ kind: 'store', isShort: true });
const waiting = (): Story => short().commit(held);
const outlast = (story: Story, ms: number): Story => story.pass(ms, 5_000);
const second = (story: Story, change: object = {}): Story =>
  story.commit({ type: 'job.submitted', ...next, ...change }).commit({
    type: 'attempt.assigned',
    task: 'job_b.0',
    attempt: 1,
    node,
    devices: ['GPU-1'],
    rateNano: '10800000',
  });

const good: Record<string, () => Story> = {
  'outputs that wait longer than the clock of their stage, and are paid for their run': () =>
    outlast(waiting(), 150_000).receipt().end().ack(),
  'a wait that ends with its time, blames nobody and is not tried again': () =>
    outlast(waiting(), 200_000)
      .commit({ type: 'attempt.ended', task, attempt: 1, reason: 'store_full', ...failed })
      .say({ type: 'stop', attempts: [{ task, attempt: 1 }] }),
  'the whole clock again once there is room': () =>
    outlast(waiting().tell({ kind: 'store', isShort: false }).commit(resumed), 90_000)
      .receipt()
      .end()
      .ack(),
  'the room of the node for another account': () => second(waiting(), { consumer: 'acc_pat', holdNano: '0' }),
};

it.each(Object.entries(good))('finds nothing wrong with %s', (_, tell) => {
  expect(ruleBrokenBy(tell())).toBeUndefined();
});

const bad: readonly (readonly [Rule, string, () => Story])[] = [
  ['upload.held', 'a wait for room that is there', () => uploading().commit(held)],
  [
    'upload.held',
    'a wait of what still runs',
    () => new Story().run().tell({ kind: 'store', isShort: true }).commit(held),
  ],
  ['upload.held', 'room for what never lacked it', () => short().commit(resumed)],
  ['upload.held', 'new work of an account whose outputs wait', () => second(waiting())],
  [
    'upload.held',
    'new outputs of anybody while the store is full',
    () =>
      second(short().commit({ ...held, full: true }), { consumer: 'acc_pat', holdNano: '0', outputs: true }),
  ],
  ['task.limbo', 'a wait without an end', () => outlast(waiting(), 300_000)],
  [
    'task.clock',
    'a wait that is cut short',
    () =>
      outlast(waiting(), 150_000).commit({
        type: 'attempt.ended',
        task,
        attempt: 1,
        reason: 'store_full',
        ...failed,
      }),
  ],
  [
    'task.retry',
    'another run for want of room',
    () =>
      outlast(waiting(), 200_000).commit({
        type: 'attempt.ended',
        task,
        attempt: 1,
        reason: 'store_full',
        ...failed,
        then: { kind: 'requeued', budget: 'free', notBefore: 9e9 },
      }),
  ],
  [
    'money.price',
    'pay for the wait',
    () => {
      const story = outlast(waiting(), 90_000).receipt({ startedAt: 0, finishedAt: 9e9 });
      const chargeNano = '270000';
      return story.end({}, { meteredMs: 90_000, chargeNano, payNano: '261900', feeNano: '8100' });
    },
  ],
  [
    'capacity.room',
    'another task on the disk that the outputs lie on',
    () => {
      const all = { ...job.resources, diskBytes: 2 ** 31 };
      return second(waiting(), { consumer: 'acc_pat', holdNano: '0', resources: all });
    },
  ],
];

it.each(bad)('%s: %s', (rule, _, tell) => {
  expect(ruleBrokenBy(tell())).toBe(rule);
});

it('keeps the other node out of it', () => {
  expect(ruleBrokenBy(waiting().hear({ type: 'heartbeat', n: 1 }, other))).toBeUndefined();
});
