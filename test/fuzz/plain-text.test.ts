import { resolveConfig } from '@capacloud/agent/host/config';
import { readFrame } from '@capacloud/agent/session/frame-reader';
import { readHello, readSessionFrame } from '@capacloud/coordinator/gateway/frame-reader';
import { holdsShownText } from '@capacloud/protocol/input/plain-text';
import { schemaProblems } from '@capacloud/protocol/input/schema';
import { JobFileSchema } from '@capacloud/protocol/job/job-file';
import { type Route, routes } from '@capacloud/protocol/routes/routes';
import * as frames from '@capacloud/protocol/wire/frames';
import fc from 'fast-check';
import type { TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import { expect, test } from 'vitest';
import { holds } from './fuzz-run.ts';
import { valuesOf } from './schema-values.ts';

interface Spot {
  readonly holder: Record<string, unknown>;
  readonly key: string;
}

function textsIn(value: unknown): Spot[] {
  if (typeof value !== 'object' || value === null) return [];
  const holder = value as Record<string, unknown>;
  return Object.keys(holder).flatMap((key) =>
    typeof holder[key] === 'string' ? [{ holder, key }] : textsIn(holder[key]),
  );
}

/** Sound values, one text of which begins with a character. Those without text are left out. */
function withCharacter(schema: object, character: string): fc.Arbitrary<unknown> {
  return fc.tuple(valuesOf(schema), fc.nat()).map(([value, which]) => {
    const copy = structuredClone(value);
    const spots = textsIn(copy);
    const spot = spots[which % Math.max(1, spots.length)];
    if (spot === undefined) return undefined;
    // The space keeps half of a pair from finding its other half.
    spot.holder[spot.key] = `${character} ${(spot.holder[spot.key] as string).slice(2)}`;
    return copy;
  });
}

const input = new Map<string, TSchema>([['job file', JobFileSchema]]);
for (const [name, route] of Object.entries(routes) as [string, Route][])
  for (const part of ['params', 'query', 'body', 'headers'] as const) {
    const schema = route[part];
    if (typeof schema === 'object') input.set(`${name} ${part}`, schema);
  }

test.each([...input])('%s is refused when it holds U+0000', async (_, schema) => {
  const check = Compile(schema);
  await holds(withCharacter(schema, '\0'), 20, (value) => {
    if (value !== undefined) expect(schemaProblems(check as never, value)).not.toEqual([]);
  });
});

test.each([
  ['hello', frames.HelloFrameSchema, readHello],
  ['report', frames.ReportFrameSchema, readSessionFrame],
  ['offer', frames.OfferFrameSchema, readSessionFrame],
  ['welcome', frames.WelcomeFrameSchema, readFrame],
  ['assign', frames.AssignFrameSchema, readFrame],
  ['refusal', frames.RefusalFrameSchema, readFrame],
] as const)('a frame %s is refused when it holds U+0000 or half of a pair', async (_, schema, read) => {
  for (const character of ['\0', '\ud800'])
    await holds(withCharacter(schema, character), 30, (value) => {
      if (value !== undefined) expect(read(JSON.stringify(value)).ok).toBe(false);
    });
});

test.each([
  ['hello', frames.HelloFrameSchema, readHello],
  ['offer', frames.OfferFrameSchema, readSessionFrame],
] as const)('a frame %s brings no text in its offer that nobody sees', async (_, schema, read) => {
  for (const character of ['\u202e', '\u001b', '\u200b', '\u2028', '\ufeff', '\u{e0041}'])
    await holds(withCharacter(schema, character), 30, (value) => {
      const frame = read(JSON.stringify(value ?? null));
      if (frame.ok && 'offer' in frame.value) expect(holdsShownText(frame.value.offer)).toBe(true);
    });
});

test('settings of an agent are refused when they hold U+0000', () => {
  const read = (text: string) =>
    resolveConfig({ file: `coordinator: wss://x\nstate_dir: /s\n${text}`, env: {}, flags: {} });
  expect(read('labels: { a: "b" }').ok).toBe(true);
  for (const text of [
    'labels: { a: "b\\0" }',
    'region: "a\\0"',
    'status_socket: "/a\\0"',
    'key_file: "/a\\0"',
  ])
    expect(read(text).ok, text).toBe(false);
});
