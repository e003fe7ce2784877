import { describe, expect, it } from 'vitest';
import type { Rule } from './observation.ts';
import { node, offer, other, pat, ruleBrokenBy, Story } from './story.ts';

const third = 'node_3';
const silent = (id: string) => ({ type: 'node.status_changed', node: id, to: 'unknown', cause: 'silent' });
const lost = (id: string) => ({ type: 'node.status_changed', node: id, to: 'lost', cause: 'lease_lapsed' });
const joined = (id: string) => ({ type: 'node.joined', node: id, provider: pat });
const offered = (id: string) => ({ type: 'node.offered', node: id, provider: pat, offer, accepting: true });
const forgotten = (cause: string, id: string = node) => ({ type: 'node.forgotten', node: id, cause });

/** The node is not heard for so long, and the other one is. */
function quiet(story: Story, ms: number): Story {
  return story.wait(ms).hear({ type: 'heartbeat', n: story.nowMs }, other);
}
function away(story: Story): Story {
  return quiet(quiet(story, 40_000).commit(silent(node)), 26_000).commit(lost(node));
}
describe('the auditor', () => {
  it.each<[string, () => Story]>([
    [
      'a node that was never paid and is forgotten when it is lost',
      () => away(new Story().open()).commit(forgotten('unproven')),
    ],
    [
      'a silent node that makes room for a newcomer',
      () =>
        quiet(new Story().open(), 16_000)
          .commit(silent(node), forgotten('replaced'))
          .commit(joined(third), offered(third)),
    ],
    [
      'a node that joins again',
      () => away(new Story().open()).commit(forgotten('unproven'), joined(node), offered(node)),
    ],
  ])('finds nothing wrong with %s', (_, tell) => {
    expect(ruleBrokenBy(tell())).toBeUndefined();
  });

  it.each<[Rule, string, () => Story]>([
    ['node.forgotten', 'a node that is there', () => new Story().open().commit(forgotten('unproven'))],
    ['node.forgotten', 'a node that was paid', () => away(new Story().live()).commit(forgotten('unproven'))],
    ['node.forgotten', 'one paid node of few', () => away(new Story().live()).commit(forgotten('away'))],
    [
      'node.forgotten',
      'a silent node for which nobody comes',
      () => quiet(new Story().open(), 16_000).commit(silent(node), forgotten('unproven')),
    ],
    [
      'node.forgotten',
      'what the operator wishes',
      () => {
        const wish = { type: 'node.status_changed', node, to: 'cordoned', cause: 'operator_cordoned' };
        return away(new Story().open().commit(wish)).commit(forgotten('unproven'));
      },
    ],
    [
      'node.occupied',
      'a node with an attempt',
      () => quiet(new Story().run(), 16_000).commit(silent(node), forgotten('replaced')),
    ],
    [
      'node.kept',
      'a node that was never paid and stays',
      () => quiet(quiet(away(new Story().open()), 9_000), 9_000),
    ],
    [
      'node.kept',
      'too many that were never paid',
      () => new Story().open().commit(joined(third), joined('node_4')),
    ],
    [
      'log.shape',
      'work for an owner without an account',
      () =>
        new Story()
          .open()
          .commit({ ...offered(node), provider: 'acc_new' })
          .submit()
          .assign(),
    ],
  ])('tells %s of %s', (rule, _, tell) => {
    expect(ruleBrokenBy(tell())).toBe(rule);
  });
});
