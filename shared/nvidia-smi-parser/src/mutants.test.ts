import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parseNvidiaSmi } from './index.ts';

const tree = new URL('../../../test/fixtures/nvidia-smi/', import.meta.url);
const captures = readdirSync(tree)
  .filter((name) => name.endsWith('.xml'))
  .map((name) => readFileSync(new URL(name, tree), 'utf8'));

/** Mulberry32: the same mutants in every run. */
function makeRandom(seed: number): (bound: number) => number {
  let state = seed;
  return (bound) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % bound;
  };
}

const inserts = [
  '<',
  '>',
  '</',
  '&',
  '"',
  ']]>',
  '<!--',
  '<![CDATA[',
  '<?',
  '\0',
  '\ud800',
  '9e999',
  '-',
  '<gpu>',
  '%',
];

function mutate(text: string, random: (bound: number) => number): string {
  const at = random(text.length);
  switch (random(4)) {
    case 0:
      return text.slice(0, at);
    case 1:
      return text.slice(0, at) + text.slice(at + 1 + random(64));
    case 2:
      return text.slice(0, at) + (inserts[random(inserts.length)] ?? '') + text.slice(at + random(3));
    default:
      return text.slice(0, at) + String.fromCharCode(random(256)) + text.slice(at + 1);
  }
}

/** Every number of a report that is there must be one. */
function expectSoundNumbers(value: unknown): void {
  if (typeof value === 'number' && !Number.isFinite(value)) throw new Error(`found ${value}`);
  if (typeof value === 'object' && value !== null)
    for (const part of Object.values(value)) expectSoundNumbers(part);
}

test('no mutant of a capture throws', { timeout: 120_000 }, () => {
  // The clocks that a GPU supports are most of a capture and are never read: without them the mutations hit.
  const seeds = captures.map((xml) => xml.replace(/<supported_clocks>[^]*?<\/supported_clocks>/g, ''));
  const outcomes = new Map<string, number>();
  for (const [index, seed] of seeds.entries()) {
    const random = makeRandom(index + 1);
    for (let round = 0; round < 400; round += 1) {
      let mutant = mutate(seed, random);
      for (let more = random(3); more > 0 && mutant !== ''; more -= 1) mutant = mutate(mutant, random);
      const result = parseNvidiaSmi(mutant);
      const outcome = result.ok ? 'OK' : result.code;
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      expectSoundNumbers(result);
    }
  }
  expect([...outcomes.values()].reduce((total, count) => total + count, 0)).toBe(400 * seeds.length);
  // The mutations reach both sides: some leave a report that can be read, some do not.
  for (const code of ['OK', 'TRUNCATED_XML', 'MALFORMED_XML'])
    expect(outcomes.get(code)).toBeGreaterThan(100);
});
