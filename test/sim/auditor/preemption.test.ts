import { expect, it } from 'vitest';
import type { Rule } from './observation.ts';
import { ada, epochMs, job, node, offer, pat, ruleBrokenBy, ruleset, Story, task } from './story.ts';

const rules = { ...ruleset, preemptAfterMs: 10_000 };
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

function preempt(story: Story): Story {
  const notBefore = epochMs + story.nowMs + 1000;
  return story.commit({
    type: 'attempt.ended',
    task,
    attempt: 1,
    reason: 'preempted',
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
])('%s', (_, story, rule) => {
  expect(ruleBrokenBy(story())).toBe(rule);
});
