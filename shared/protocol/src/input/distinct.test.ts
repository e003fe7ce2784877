import type { TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import { describe, expect, it } from 'vitest';
import { ResourcesSchema } from '../capacity/resources-schema.ts';
import { JobFileSchema } from '../job/job-file.ts';
import { type Route, routes } from '../routes/routes.ts';
import * as frames from '../wire/frames.ts';
import { ReceiptSchema } from '../wire/receipt-schema.ts';
import { doubledItem, doubledProblem } from './distinct.ts';
import { schemaProblems } from './schema.ts';
import type { WordedSchema } from './wording.ts';

/** Every schema that something from outside is read by. */
const doors = new Map<string, TSchema>([
  ['job file', JobFileSchema],
  ['receipt', ReceiptSchema],
  ['resources', ResourcesSchema],
]);
for (const [name, schema] of Object.entries(frames))
  if (name.endsWith('FrameSchema')) doors.set(name, schema as TSchema);
for (const [name, route] of Object.entries(routes) as [string, Route][])
  for (const part of ['params', 'query', 'body', 'headers'] as const) {
    const schema = route[part];
    if (typeof schema === 'object') doors.set(`${name} ${part}`, schema);
  }

interface List {
  readonly path: string;
  readonly schema: WordedSchema & { readonly 'x-repeatable'?: string; readonly '~refine'?: unknown };
}

function listsIn(schema: WordedSchema, path: string): List[] {
  const inner = [
    ...(schema.anyOf ?? []).map((branch): [WordedSchema, string] => [branch, path]),
    ...Object.entries(schema.properties ?? {}).map(([field, each]): [WordedSchema, string] => [
      each,
      `${path}/${field}`,
    ]),
    ...Object.entries(schema.patternProperties ?? {}).map(([, each]): [WordedSchema, string] => [
      each,
      `${path}/*`,
    ]),
    ...(schema.items === undefined ? [] : [[schema.items, `${path}/0`] as [WordedSchema, string]]),
  ];
  const lists = inner.flatMap(([each, at]) => listsIn(each, at));
  return schema.type === 'array' ? [{ path, schema }, ...lists] : lists;
}

const lists = [...doors].flatMap(([name, schema]) => listsIn(schema as WordedSchema, name));

it('finds the lists of all doors', () => {
  expect(doors.size).toBeGreaterThan(40);
  expect(lists.map(({ path }) => path)).toEqual(
    expect.arrayContaining([
      'HelloFrameSchema/offer/devices',
      'HelloFrameSchema/attempts',
      'OfferFrameSchema/offer/devices',
      'ReportFrameSchema/items',
      'ReportFrameSchema/items/0/receipt/outputs',
      'HeartbeatFrameSchema/pulls',
      'StopFrameSchema/attempts',
      'job file/placement/providers',
      'job file/placement/constraints/0/values',
      'job file/resources/gpu/0/model',
    ]),
  );
});

it.each(lists.map(({ path, schema }) => [path, schema] as const))(
  '%s names nothing twice, or says why it may',
  (_, schema) => {
    const isDistinct = schema['x-distinct'] !== undefined;
    expect(isDistinct || schema['x-repeatable'] !== undefined).toBe(true);
    // The mark alone refuses nothing: the check is bound to it.
    expect(Object.hasOwn(schema, '~refine')).toBe(isDistinct);
  },
);

const device = { id: 'GPU-D', vendor: 'nvidia', model: 'h100', memoryBytes: 1, health: 'healthy' };
const ask = { cpuHourNano: '1', memoryGibHourNano: '1', diskGibHourNano: '1', deviceHourNano: '1' };
const offer = {
  cpuMilli: 1,
  memoryBytes: 1,
  diskBytes: 1,
  slots: 1,
  devices: [device],
  arch: 'amd64',
  allowRoot: false,
  ask,
};
const task = `job_${'a'.repeat(20)}.0`;
const progress = { kind: 'progress', id: 1, task, attempt: 1, stage: 'running', atMs: 1 };
const receipt = {
  version: 1,
  node: `node_${'a'.repeat(40)}`,
  task,
  attempt: 1,
  nonce: 'a'.repeat(32),
  reason: 'completed',
  oomKilled: false,
  outputs: [],
  log: { sizeBytes: 0, truncated: false },
};
const pull = { task, attempt: 1, doneBytes: 0, totalBytes: 0 };
const head = { seq: 1, ack: 0 };

describe('what is named twice is refused and told by its name', () => {
  const cases: [string, TSchema, object, (value: never) => object, string, string][] = [
    [
      'devices',
      frames.OfferFrameSchema,
      { type: 'offer', ...head, offer, accepting: true },
      (value: { offer: typeof offer }) => ({
        ...value,
        offer: { ...offer, devices: [device, { ...device, model: 'other' }] },
      }),
      '/offer/devices',
      'GPU-D',
    ],
    [
      'one id of two reports',
      frames.ReportFrameSchema,
      { type: 'report', ...head, items: [progress] },
      (value: object) => ({ ...value, items: [progress, { ...progress, stage: 'uploading' }] }),
      '/items',
      '1',
    ],
    [
      'pulls',
      frames.HeartbeatFrameSchema,
      {
        type: 'heartbeat',
        ...head,
        n: 1,
        load: { cpuMilli: 0, memoryFreeBytes: 0, diskFreeBytes: 0 },
        pulls: [pull],
      },
      (value: object) => ({ ...value, pulls: [pull, { ...pull, doneBytes: 1 }] }),
      '/pulls',
      `${task} 1`,
    ],
    [
      'attempts to stop',
      frames.StopFrameSchema,
      { type: 'stop', ...head, attempts: [{ task, attempt: 1 }] },
      (value: object) => ({
        ...value,
        attempts: [
          { task, attempt: 1 },
          { attempt: 1, task },
        ],
      }),
      '/attempts',
      `${task} 1`,
    ],
  ] as never;

  it.each(cases)('%s', (_, schema, sound, double, pointer, name) => {
    const check = Compile(schema);
    expect(schemaProblems(check as never, sound)).toEqual([]);
    const doubled = double(sound as never);
    expect(check.Check(doubled)).toBe(false);
    const problem = { pointer, message: `names ${name} twice` };
    expect(schemaProblems(check as never, doubled)).toEqual([problem]);
    expect(doubledProblem(schema as WordedSchema, doubled)).toEqual(problem);
    expect(doubledProblem(schema as WordedSchema, sound)).toBeUndefined();
  });
});

it('passes over items that nest too deeply to be named, which no schema takes', () => {
  const deep = (levels: number): unknown => {
    let value: unknown = 1;
    for (let level = 0; level < levels; level++) value = [value];
    return value;
  };
  expect(doubledItem([deep(50), deep(50)], [[]])).toBeDefined();
  expect(doubledItem([deep(200_000), deep(200_000)], [[]])).toBeUndefined();
});

it('takes two receipts of an attempt in one report: an honest agent may have refused it twice', () => {
  const check = Compile(frames.ReportFrameSchema);
  const { items: _items, ...head } = { type: 'report', seq: 1, ack: 0, items: [] };
  const refused = { kind: 'finished', id: 1, receipt: { ...receipt, reason: 'refused' } };
  expect(check.Check({ ...head, items: [refused, { ...refused, id: 2 }] })).toBe(true);
  expect(check.Check({ ...head, items: [refused, refused] })).toBe(false);
});
