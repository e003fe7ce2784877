import { expect, it } from 'vitest';
import type { Rule } from './observation.ts';
import { job, node, ruleBrokenBy, Story, task } from './story.ts';

const cancelled = { type: 'job.cancelled', job: job.job };
const forgotten = {
  reason: 'agent_failed',
  exitCode: undefined,
  receipt: undefined,
  then: { kind: 'requeued', budget: 'provider', notBefore: 1_002_000 },
};
/** The program of the first attempt really failed. */
const failed = { kind: 'ran', task, attempt: 1, node, succeeded: false } as const;
const distrust = { kind: 'distrust', node } as const;
const refs = [{ task, attempt: 1 }];

const told = (): Story => new Story().run().commit(cancelled).say({ type: 'stop', attempts: refs });
const welcomed = (): Story =>
  new Story()
    .run()
    .commit(cancelled)
    .wait(1_000)
    .hear({ type: 'hello', attempts: refs }, node, 'b')
    .say({ type: 'welcome', leaseMs: 60_000, desired: [] }, node, 'b')
    .hear({ type: 'heartbeat', n: 1 }, node, 'b');
const reborn = (): Story =>
  new Story()
    .open()
    .submit()
    .assign()
    .lease(10_000)
    .tell({ kind: 'hands', node, instance: 0, free: false })
    .wait(13_000)
    .tell({ kind: 'hands', node, instance: 0, free: true, reborn: true });

const good: Readonly<Record<string, () => Story>> = {
  'a stop that is said': () => told().wait(16_000).hear({ type: 'heartbeat', n: 1 }),
  'a stop that a welcome says': () =>
    welcomed().container('ended').wait(16_000).hear({ type: 'heartbeat', n: 2 }, node, 'b'),
  'a node that is not heard': () => new Story().run().commit(cancelled).wait(16_000),
  'a container that is stopped after the welcome': () =>
    welcomed().wait(2_500).container('ended').wait(9_000),
  'a lie of whom nobody trusts': () => new Story().run().tell(distrust).tell(failed).receipt(),
  'a loss of memory that is known': () =>
    new Story().run().tell(distrust).hear({ type: 'hello', attempts: [] }, node, 'b').end(forgotten),
  'a second run by a memory of an earlier time': () =>
    new Story().run().tell(distrust).container('ended').container('started'),
  'a life that begins within its lease': () => reborn().lease(30_000).container('started'),
  'two sessions that overtake one another': () =>
    new Story()
      .open()
      .wait(1_000)
      .hear({ type: 'hello' }, node, 'b')
      .wait(1)
      .hear({ type: 'hello' }, node, 'c')
      .say({ type: 'welcome', leaseMs: 60_000, desired: [] }, node, 'b')
      .say({ type: 'welcome', leaseMs: 60_000, desired: [] }, node, 'c')
      .lease(61_001),
};

it.each(Object.entries(good))('finds nothing wrong with %s', (_, tell) => {
  expect(ruleBrokenBy(tell())).toBeUndefined();
});

const bad: readonly (readonly [Rule, string, () => Story])[] = [
  [
    'said.no-stop',
    'a node that is heard is not told',
    () => new Story().run().commit(cancelled).wait(16_000).hear({ type: 'heartbeat', n: 1 }),
  ],
  [
    'run.unwanted',
    'an agent goes on with what its welcome left out',
    () => welcomed().wait(1_500).wait(1_500).wait(1_500),
  ],
  [
    'run.clock',
    'an agent lets a program overrun',
    () =>
      new Story()
        .open()
        .submit({ runTimeoutMs: 5_000 })
        .assign()
        .lease(60_000)
        .container('started')
        .wait(7_000)
        .wait(1_500),
  ],
  [
    'receipt.untrue',
    'an honest node says that a failure completed',
    () => new Story().run().tell(failed).receipt(),
  ],
  [
    'task.forgotten',
    'an honest node forgets',
    () => new Story().run().hear({ type: 'hello', attempts: [] }, node, 'b').end(forgotten),
  ],
  [
    'run.again',
    'an attempt is run a second time',
    () => new Story().run().container('ended').container('started'),
  ],
  [
    'run.room',
    'more containers than there is room for',
    () =>
      new Story()
        .run()
        .commit(cancelled)
        .receipt({ reason: 'stopped' })
        .commit({ type: 'attempt.released', task, attempt: 1, node })
        .submit({ job: 'job_b', resources: { ...job.resources, cpuMilli: 2000 } })
        .assign(1, node, { task: 'job_b.0', rateNano: '14400000' })
        .container('started', 1, node, 'job_b.0'),
  ],
  ['run.lease', 'a new life begins work without a lease', () => reborn().container('started')],
];

it.each(bad)('%s: %s', (rule, _, tell) => {
  expect(ruleBrokenBy(tell())).toBe(rule);
});
