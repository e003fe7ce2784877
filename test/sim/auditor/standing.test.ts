import { expect, it } from 'vitest';
import type { Rule } from './observation.ts';
import { device, epochMs, node, offer, other, pat, ruleBrokenBy, ruleset, Story, task } from './story.ts';

const rules = {
  ...ruleset,
  nodeBackoffAfter: 2,
  nodeBackoffInitialMs: 10_000,
  nodeBackoffFactor: 2,
  nodeBackoffMaxMs: 15_000,
  poisonNodes: 2,
  poisonMs: 60_000,
  poisonEvidenceMs: 60_000,
  poisonAfterMs: 5000,
};
const pam = 'acc_pam';

/** Two nodes of two providers. */
function open(): Story {
  return new Story()
    .open()
    .commit(
      { type: 'ruleset.changed', ruleset: rules },
      { type: 'account.opened', account: pam },
      { type: 'node.offered', node: other, provider: pam, offer, accepting: true },
    );
}

/** The attempt is refused by its node, and its task waits a second. */
function fail(story: Story, attempt: number, on = node, reason = 'engine_lost'): Story {
  story.assign(attempt, on).wait(1000);
  return refuse(story, attempt, on, reason);
}
function refuse(story: Story, attempt: number, on: string, reason = 'engine_lost'): Story {
  const notBefore = epochMs + story.nowMs + 1000 * 2 ** (attempt - 1);
  story.receipt({ reason }, on, attempt);
  return story.end({ attempt, reason, then: { kind: 'requeued', budget: 'provider', notBefore } });
}
const wide = { providerLost: 20 };
const pauses = (until: number) =>
  ({ kind: 'pauses', pauses: new Map([[node, until === 0 ? 0 : epochMs + until]]) }) as const;

/** The first fails of one job on one node, the second after its pause. */
const twice = () => fail(fail(open().submit(wide), 1).wait(1000), 2).wait(2000);

it.each<[string, () => Story, Rule | undefined]>([
  ['a node that failed twice pauses', () => twice().assign(3), 'node.pause'],
  ['another does not', () => twice().assign(3, other), undefined],
  ['nor does it for longer than is due', () => twice().wait(8000).assign(3), undefined],
  ['a third failure costs more', () => fail(twice().wait(8000), 3).wait(12_000).assign(4), 'node.pause'],
  ['up to a bound', () => fail(twice().wait(8000), 3).wait(15_000).assign(4), undefined],
  ['what the coordinator believes of it is right', () => twice().tell(pauses(13_000)), undefined],
  ['and not too little', () => twice().tell(pauses(0)), 'node.pause'],
])('%s', (_, story, rule) => expect(ruleBrokenBy(story())).toBe(rule));

/** The job runs on both nodes, one after the other, and ruins the device of each. */
function ruin(story: Story, attempt: number, on: string, provider: string): Story {
  story.assign(attempt, on);
  for (const stage of ['pulling', 'starting', 'running']) story.report(stage, attempt, on);
  story.wait(1000);
  const broken = { ...offer, devices: [{ ...device, health: 'quarantined' }] };
  story.commit({ type: 'node.offered', node: on, provider, offer: broken, accepting: true });
  return story;
}
const submitRuinous = (): Story => open().submit({ ...wide, image: 'print', tasks: 1 });
const firstRuin = (): Story => refuse(ruin(submitRuinous(), 1, node, pat), 1, node).wait(1000);
const bothRuined = (): Story => ruin(firstRuin(), 2, other, pam);
const stop = (story: Story, providers = [pat, pam]): Story =>
  story.commit({
    type: 'image.poisoned',
    image: 'print',
    until: epochMs + story.nowMs + 60_000,
    faults: providers.map((provider) => ({ at: 0, device: device.id, node, provider })),
  });
const ended = { type: 'task.ended', task, outcome: 'cancelled', reason: 'image_poisoned' };
const again = { ...wide, job: 'job_b', image: 'print' };

it.each<[string, () => Story, Rule | undefined]>([
  ['an image that ruined devices of two providers is stopped', () => stop(bothRuined()), undefined],
  [
    'before anything else',
    () => bothRuined().commit({ type: 'account.opened', account: 'acc_x' }),
    'image.stopped',
  ],
  ['for devices of two', () => stop(firstRuin()), 'image.stopped'],
  ['its tasks end', () => stop(bothRuined()).commit(ended), undefined],
  ['and no others do so', () => bothRuined().commit(ended), 'image.stopped'],
  ['they end in time', () => stop(bothRuined()).pass(20_000, 5000), 'task.limbo'],
  ['none is placed', () => refuse(stop(bothRuined()), 2, other).wait(3000).assign(3), 'image.stopped'],
  ['no job is taken', () => stop(bothRuined()).commit(ended).submit(again), 'image.stopped'],
  [
    'one of another account is',
    () =>
      stop(bothRuined())
        .commit(ended)
        .submit({ ...again, image: 'x' }),
    undefined,
  ],
  ['nobody is blamed', () => stop(bothRuined()).tell(pauses(0)), undefined],
])('%s', (_, story, rule) => expect(ruleBrokenBy(story())).toBe(rule));
