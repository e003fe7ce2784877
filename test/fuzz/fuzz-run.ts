import fc from 'fast-check';

/** The same seed draws the same inputs; `npm run fuzz` gives another one each round. */
const seed = Number(process.env['CAPACLOUD_FUZZ_SEED'] ?? 20_261_122);
/** Multiplies the number of inputs. */
const effort = Number(process.env['CAPACLOUD_FUZZ_EFFORT'] ?? 1);

export function timesOf(times: number): number {
  return Math.max(1, Math.round(times * effort));
}

/** Holds a property against `times` inputs. A failure names the seed, the shrunk input and the way to see it again. */
export async function holds<T>(
  arbitrary: fc.Arbitrary<T>,
  times: number,
  predicate: (input: T) => void | Promise<void>,
): Promise<void> {
  const property = fc.asyncProperty(arbitrary, async (input) => predicate(input));
  const outcome = await fc.check(property, {
    seed,
    numRuns: timesOf(times),
    interruptAfterTimeLimit: 300_000,
  });
  if (!outcome.failed) return;
  const replay = `CAPACLOUD_FUZZ_SEED=${seed} CAPACLOUD_FUZZ_EFFORT=${effort} vitest run --project loopback test/fuzz`;
  const shown = textOf(outcome.counterexample?.[0]).slice(0, 4000);
  throw new Error(`after ${outcome.numRuns} inputs: ${shown}\nsee it again: ${replay}`, {
    cause: outcome.errorInstance,
  });
}

/** The text of an input that nests too deeply to be written is of no use, but the failure that it brought about is. */
function textOf(input: unknown): string {
  try {
    return fc.stringify(input);
  } catch {
    return 'an input that nests too deeply to be shown';
  }
}

/** Numbers from the same seed, for tests that draw as they go. */
export function dice(salt: number): (bound: number) => number {
  let state = (seed ^ Math.imul(salt, 0x9e3779b1)) | 0;
  // mulberry32
  return (bound) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * bound);
  };
}

export function pick<T>(random: (bound: number) => number, items: readonly T[]): T {
  const item = items[random(items.length)];
  if (item === undefined) throw new RangeError('there is nothing to pick from');
  return item;
}
