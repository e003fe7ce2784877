import { ConfigFileSchema } from '@capacloud/coordinator/config/config-file';
import * as resources from '@capacloud/protocol/capacity/resources';
import * as ids from '@capacloud/protocol/ids';
import { holdsPlainText } from '@capacloud/protocol/input/plain-text';
import { schemaProblems } from '@capacloud/protocol/input/schema';
import { JobFileSchema } from '@capacloud/protocol/job/job-file';
import { canonicalJson } from '@capacloud/protocol/log/canonical';
import { type Route, routes } from '@capacloud/protocol/routes/routes';
import * as views from '@capacloud/protocol/routes/views';
import { DelegationSchema } from '@capacloud/protocol/wire/delegation-schema';
import * as frames from '@capacloud/protocol/wire/frames';
import * as receipts from '@capacloud/protocol/wire/receipt';
import type { TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import { Value } from 'typebox/value';
import { describe, expect, test } from 'vitest';
import { holds } from './fuzz-run.ts';
import { spoiled } from './odd-values.ts';
import { valuesOf } from './schema-values.ts';

const modules = { frames, ids, receipts, resources, views };
const schemas = new Map<string, TSchema>([
  ['JobFileSchema', JobFileSchema],
  ['DelegationSchema', DelegationSchema],
  ['ConfigFileSchema', ConfigFileSchema],
]);
for (const module of Object.values(modules))
  for (const [name, value] of Object.entries(module))
    if (name.endsWith('Schema')) schemas.set(name, value as TSchema);
for (const [name, route] of Object.entries(routes) as [string, Route][])
  for (const part of ['params', 'query', 'body', 'headers', 'response'] as const) {
    const schema = route[part];
    if (typeof schema === 'object') schemas.set(`${name} ${part}`, schema);
  }

function hasOnlyWhole(value: unknown): boolean {
  if (typeof value === 'number') return Number.isSafeInteger(value);
  if (typeof value !== 'object' || value === null) return true;
  return Object.values(value).every(hasOnlyWhole);
}

describe.each([...schemas])('%s', (_, schema) => {
  const check = Compile(schema);

  test('takes its own values, and they come through JSON and the canonical form unchanged', async () => {
    await holds(valuesOf(schema), 12, (value) => {
      expect(schemaProblems(check as never, value)).toEqual([]);
      const again: unknown = JSON.parse(JSON.stringify(value));
      expect(again).toEqual(value);
      expect(check.Check(again)).toBe(true);
      if (hasOnlyWhole(value)) expect(JSON.parse(canonicalJson(value))).toEqual(value);
    });
  });

  test('takes a spoiled value or says what is wrong with it, and two checkers agree', async () => {
    await holds(spoiled(valuesOf(schema)), 40, (value) => {
      const problems = schemaProblems(check as never, value);
      expect(problems.length === 0).toBe(check.Check(value) && holdsPlainText(value));
      expect(check.Check(value)).toBe(Value.Check(schema, value));
      expect(problems.length).toBeLessThanOrEqual(20);
      for (const { pointer, message } of problems) {
        expect(pointer === '' || pointer.startsWith('/')).toBe(true);
        expect(message).not.toBe('');
      }
    });
  });
});

test('there are schemas', () => {
  expect(schemas.size).toBeGreaterThan(60);
});
