import { readFileSync } from 'node:fs';
import { errorCatalogue } from '@capacloud/protocol/catalogue/errors';
import { expect, test } from 'vitest';
import { failureOf, failureText, OwnerMustAct } from './failure.ts';

function thrownBy(act: () => unknown): unknown {
  try {
    return act();
  } catch (error) {
    return error;
  }
}

test.each<[string, unknown, string, number]>([
  ['a refusal', new OwnerMustAct({ code: 'config.invalid', message: 'm' }), 'config.invalid', 2],
  ['a missing file', thrownBy(() => readFileSync('/nowhere/at/all')), 'ENOENT', 1],
  ['a folder', thrownBy(() => readFileSync('/')), 'EISDIR', 1],
  ['a full disk', Object.assign(new Error('disk full'), { code: 'SQLITE_FULL' }), 'SQLITE_FULL', 1],
  ['a bug', thrownBy(() => (undefined as unknown as { a: { b: 1 } }).a.b), 'agent_fault', 1],
  ['what is no error', 'a text', 'agent_fault', 1],
])('%s is told in one sentence and a hint, without a stack', (_, error, code, exitStatus) => {
  const failure = failureOf(error);
  expect(failure).toMatchObject({ code, exitStatus });
  expect(failureText(failure)).toMatch(/^capacloud-agent: \S.*\n {2}hint: \S.* \[\S+\]\n$/);
});

test('a refusal without a hint has that of its code', () => {
  const error = new OwnerMustAct({ code: 'config.invalid', message: 'm' });
  expect(error.hint).toBe(errorCatalogue['config.invalid'].hint);
});
