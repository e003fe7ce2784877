import { ConfigFileSchema } from '@capacloud/coordinator/config/config-file';
import { schemaProblems } from '@capacloud/protocol/input/schema';
import type { WordedSchema } from '@capacloud/protocol/input/wording';
import { JobFileSchema } from '@capacloud/protocol/job/job-file';
import { parseJobFile } from '@capacloud/protocol/job/job-spec';
import type { Problem } from '@capacloud/protocol/result';
import { type Route, routes } from '@capacloud/protocol/routes/routes';
import type { TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import { describe, expect, test } from 'vitest';
import { holds } from './fuzz-run.ts';
import { spoiled } from './odd-values.ts';
import { valuesOf } from './schema-values.ts';

/** What people send: job files, and every part of a request. */
const schemas = new Map<string, TSchema>([['job file', JobFileSchema]]);
for (const [name, route] of Object.entries(routes) as [string, Route][])
  for (const part of ['params', 'query', 'body', 'headers'] as const) {
    const schema = route[part];
    if (typeof schema === 'object') schemas.set(`${name} ${part}`, schema);
  }

/** Every schema in a schema, with the way to it. */
function* nodesOf(schema: WordedSchema, path = ''): Generator<readonly [string, WordedSchema]> {
  yield [path, schema];
  for (const [key, inner] of Object.entries(schema.properties ?? {})) yield* nodesOf(inner, `${path}/${key}`);
  for (const inner of Object.values(schema.patternProperties ?? {})) yield* nodesOf(inner, `${path}/*`);
  for (const [index, inner] of (schema.anyOf ?? []).entries()) yield* nodesOf(inner, `${path}|${index}`);
  if (schema.items !== undefined) yield* nodesOf(schema.items, `${path}/-`);
}

function lacksWords(schema: WordedSchema): boolean {
  const { anyOf, format, pattern, patternProperties, properties } = schema;
  const isChoice = anyOf?.every((each) => 'const' in each) === true;
  if (patternProperties !== undefined && properties === undefined) return schema['x-key'] === undefined;
  return (
    (pattern !== undefined || (anyOf !== undefined && !isChoice)) &&
    schema['x-expects'] === undefined &&
    format === undefined
  );
}

/** Notations of schemas and of regular expressions, which are for programs. */
const notation =
  /\^|\\[dswSDW.]|\[[a-z0-9]-|\)\?|\{[0-9]+,[0-9]*\}|anyOf|oneOf|allOf|pattern|schema|undefined|\[object/;

function expectWords(problems: readonly Problem[]): void {
  for (const { message } of problems) {
    expect(message).not.toMatch(notation);
    expect(message).not.toBe('does not have the expected shape');
    expect(message.length).toBeLessThan(500);
  }
}

describe.each([...schemas])('%s', (_, schema) => {
  test('has words for each of its patterns, formats and unions', () => {
    const silent = [...nodesOf(schema as WordedSchema)].filter(([, node]) => lacksWords(node));
    expect(silent.map(([path]) => path)).toEqual([]);
  });

  test('is told of in words, whatever is wrong', async () => {
    const check = Compile(schema);
    await holds(spoiled(valuesOf(schema)), 60, (value) => {
      expectWords(schemaProblems(check as never, value));
    });
  });
});

test('a job file that was right and has been spoilt is refused in words, each place once at least', async () => {
  const sound = {
    version: '1',
    image: 'busybox',
    name: 'render',
    labels: { team: 'film' },
    command: ['a', 'b'],
    user: '1000',
    env: { A: '1', B: 2 },
    resources: {
      cpu: '500m',
      memory: '1Gi',
      disk: '2Gi',
      gpu: { model: 'rtx-4090', count: 2, vram: '20Gi' },
    },
    placement: { regions: ['eu'], constraints: [{ key: 'a', operator: 'in', values: ['b'] }] },
    replicas: 3,
    outputs: [{ path: '/out/a.png', max_size: '10Mi' }],
    checkpoint: { path: '/state' },
    timeout: '10m',
    retry: { max_attempts: 2, on: ['error'], backoff: { initial: '1s' } },
    price: { max_per_hour: '1', currency: 'CAPA' },
  };
  expect(parseJobFile(sound).ok).toBe(true);
  let refused = 0;
  await holds(spoiled(valuesOf({ const: sound })), 800, (value) => {
    // As it comes in: lists with keys of their own do not.
    const parsed = parseJobFile(JSON.parse(JSON.stringify(value)));
    if (parsed.ok) return;
    refused += 1;
    expect(parsed.refusal.problems?.length).toBeGreaterThan(0);
    expectWords(parsed.refusal.problems ?? []);
    // The place is in the sender's own words.
    const place = parsed.refusal.problems?.[0]?.pointer ?? '';
    expect(parsed.refusal.message.replace(place, '')).not.toMatch(notation);
  });
  expect(refused).toBeGreaterThan(300);
});

test('settings of the coordinator are told of in words', async () => {
  const check = Compile(ConfigFileSchema);
  await holds(spoiled(valuesOf(ConfigFileSchema)), 60, (value) => {
    expectWords(schemaProblems(check as never, value));
  });
});
