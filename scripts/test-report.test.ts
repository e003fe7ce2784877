import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { addTotals, failedCommand, noTests, readTotals, readTotalsFile, summaryOf } from './test-report.ts';

const folder = mkdtempSync(join(tmpdir(), 'capacloud-report-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const file = join(folder, 'report.json');
const report = { numPassedTests: 5, numFailedTests: 2, numPendingTests: 1, numTodoTests: 3, testResults: [] };
const write = (content: unknown): string => {
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
  return file;
};

test('a report is read', () => {
  expect(readTotals(write(report), 1)).toEqual({ passed: 5, failed: 2, skipped: 4, failures: [] });
});

test('a file that could not be loaded counts as a failure', () => {
  const testResults = [
    { name: 'a.test.ts', status: 'failed', message: 'no such module\nat …', assertionResults: [] },
    {
      name: 'b.test.ts',
      status: 'failed',
      message: '',
      assertionResults: [
        { fullName: 'adds', status: 'failed', failureMessages: ['\u001b[31mexpected 1\u001b[39m\nat …'] },
        { fullName: 'takes', status: 'passed', failureMessages: [] },
      ],
    },
    { name: 'c.test.ts', status: 'passed', message: '', assertionResults: [] },
    {
      name: 'd.test.ts',
      status: 'failed',
      message: '',
      assertionResults: [{ fullName: 'waits', status: 'pending', failureMessages: [] }],
    },
  ];
  expect(readTotals(write({ ...report, testResults }), 1)).toMatchObject({
    failed: 4,
    failures: ['a.test.ts: no such module', 'b.test.ts > adds: expected 1', 'd.test.ts: a hook failed'],
  });
});

test.each([
  [
    'a run that ended badly with no failed test',
    { ...report, numFailedTests: 0 },
    1,
    { passed: 5, failed: 1, skipped: 4, failures: [] },
  ],
  ['half a report', '{"numPassed', 1, { ...noTests, failed: 1 }],
])('%s counts as one failure', (_, content, exitCode, totals) => {
  expect(readTotals(write(content), exitCode)).toEqual(totals);
});

test('no report of a good run is no failure; of a bad run it is', () => {
  const missing = join(folder, 'missing.json');
  expect(readTotals(missing, 0)).toEqual(noTests);
  expect(readTotals(missing, 1)).toEqual({ ...noTests, failed: 1 });
});

test('totals add up and end a summary that names what failed', () => {
  const sum = addTotals(
    { passed: 1, failed: 2, skipped: 3, failures: ['a.test.ts > adds: 1'] },
    { passed: 10, failed: 20, skipped: 30, failures: ['b.test.ts > takes: 2'] },
  );
  expect(summaryOf(sum)).toBe(
    'failed: a.test.ts > adds: 1\nfailed: b.test.ts > takes: 2\n11 passed, 22 failed, 33 skipped',
  );
});

test('the totals of a run that did not come to its end are none', () => {
  expect(readTotalsFile(join(folder, 'missing.json'))).toBeUndefined();
  expect(readTotalsFile(write(failedCommand('npm run demo', 3)))).toEqual({
    ...noTests,
    failed: 1,
    failures: ['npm run demo: exit code 3'],
  });
});
