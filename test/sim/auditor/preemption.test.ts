import { expect, it } from 'vitest';
import type { Rule } from './observation.ts';
import {
  ada,
  device,
  epochMs,
  job,
  node,
  offer,
  other,
  pat,
  ruleBrokenBy,
  ruleset,
  Story,
  task,
} from './story.ts';

const rules = { ...ruleset, preemptAfterMs: 10_000, checkpointTimeoutMs: 30_000 };
const half = { rateNano: '5400000', interruptible: true };
const waiter = { ...job, job: 'job_b', consumer: ada };
const small = { cpuMilli: 1000, memoryBytes: 2 ** 20, diskBytes: 2 ** 20 };

/** One node sells at half the price to who may be stopped, and the other at the whole price only. */
function open(): Story {
  const discounted = { ...offer, interruptibleDiscountPercent: 50 };
  return new Story()
    .open()
    .commit(
      { type: 'ruleset.changed', ruleset: rules },
      { type: 'node.offered', node, provider: pat, offer: discounted, accepting: true },
    );
}

/** The task runs at half the price, and another job has come. */
function busy(change: object = {}): Story {
  return open()
    .submit({ interruptible: true })
    .assign(1, node, half)
    .submit({ ...waiter, ...change });
}

/** One that saves what it has has made way. */
const saving = (): Story =>
  preempt(
    open()
      .submit({ interruptible: true, checkpoint: true })
      .assign(1, node, half)
      .submit(waiter)
      .pass(10_000, 5000),
  ).say({ type: 'stop', attempts: [{ task, attempt: 1 }] });
const archive = { sha256: 'c'.repeat(64), sizeBytes: 9 };
const named = (story: Story): Story =>
  story.receipt({ reason: 'stopped', outputs: [{ path: '/state', ...archive }] });
const saved = (): Story => letGo(named(saving().tell({ kind: 'uploaded', task, attempt: 1, ...archive })));
const goOnWith = (story: Story, left: object): Story =>
  story
    .commit({
      type: 'attempt.assigned',
      task,
      attempt: 2,
      node: other,
      devices: [device.id],
      rateNano: '10800000',
    })
    .say(
      { type: 'assign', assignments: [{ task, attempt: 2, nonce: '', checkpoint: { saved: left } }] },
      other,
    );
/** It goes on with the other node, which gives no discount. */
const goOn = (story: Story): Story => story.assign(2, other);

function preempt(story: Story): Story {
  const notBefore = epochMs + story.nowMs + 1000;
  return story.commit({
    type: 'attempt.ended',
    task,
    attempt: 1,
    reason: 'preempted',
    preemptedFor: ada,
    released: false,
    then: { kind: 'requeued', budget: 'free', notBefore },
  });
}
const waited = (change?: object): Story => preempt(busy(change).pass(10_000, 5000));
const letGo = (story: Story): Story =>
  story.wait(500).commit({ type: 'attempt.released', task, attempt: 1, node });
const place = (story: Story, of: string, change: object = {}): Story =>
  story.assign(1, node, { task: `${of}.0`, ...change });
const smallJob = (story: Story): Story => story.submit({ ...job, job: 'job_c', resources: small });
const cheap = { devices: [], rateNano: '3600000' };

it.each<[string, () => Story, Rule | undefined]>([
  ['what costs half makes way for who waits', () => place(letGo(waited()), 'job_b'), undefined],
  [
    'it is sold at half the price and not said to be',
    () => open().submit({ interruptible: true }).assign(1, node, { rateNano: half.rateNano }),
    'capacity.terms',
  ],
  [
    'it is sold at the whole price',
    () => open().submit({ interruptible: true }).assign(1, node, { interruptible: true }),
    'money.price',
  ],
  [
    'what paid in full makes way',
    () => preempt(open().submit().assign().submit(waiter).pass(10_000, 5000)),
    'task.preempted',
  ],
  ['nobody has waited for long', () => preempt(busy().pass(9_000, 4500)), 'task.preempted'],
  ['who comes may be stopped as well', () => waited({ interruptible: true }), 'task.preempted'],
  ['who comes pays less', () => waited({ resources: small }), 'task.preempted'],
  ['who comes does not pay what is asked', () => waited({ maxRateNano: '10799999' }), 'task.preempted'],
  ['who comes may not come', () => waited({ excludeProviders: [pat] }), 'task.preempted'],
  ['somebody else comes while it ends', () => place(smallJob(waited()), 'job_c', cheap), 'task.preempted'],
  [
    'somebody else comes after it has let go and the other has come',
    () => place(place(letGo(smallJob(waited())), 'job_b'), 'job_c', cheap),
    undefined,
  ],
  ['one goes on before it is saved', () => goOn(saving().pass(30_900, 5000)), 'task.clock'],
  ['one goes on once it is saved', () => goOn(letGo(saving())), undefined],
  ['one goes on with what its node has saved', () => goOnWith(saved(), archive), undefined],
  [
    'one goes on with something else',
    () => goOnWith(saved(), { ...archive, sha256: 'd'.repeat(64) }),
    'said.checkpoint',
  ],
  ['what was saved is brought by nobody', () => goOnWith(named(letGo(saving())), archive), 'said.checkpoint'],
  [
    'one goes on with what another task has saved',
    () => goOnWith(letGo(saving()), archive),
    'said.checkpoint',
  ],
  ['one goes on when it had its time to be saved', () => goOn(saving().pass(31_100, 5000)), undefined],
])('%s', (_, story, rule) => {
  expect(ruleBrokenBy(story())).toBe(rule);
});
