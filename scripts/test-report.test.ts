import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { addTotals, readTotals, totalsLine } from './test-report.ts';

const folder = mkdtempSync(join(tmpdir(), 'capacloud-report-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const file = join(folder, 'report.json');
const report = { numPassedTests: 5, numFailedTests: 2, numPendingTests: 1, numTodoTests: 3, testResults: [] };
const write = (content: unknown): string => {
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
  return file;
};

test('a report is read', () => {
  expect(readTotals(write(report), 1)).toEqual({ passed: 5, failed: 2, skipped: 4 });
});

test('a file that could not be loaded counts as a failure', () => {
  const testResults = [
    { status: 'failed', assertionResults: [] },
    { status: 'failed', assertionResults: [{}] },
    { status: 'passed', assertionResults: [{}] },
  ];
  expect(readTotals(write({ ...report, testResults }), 1)).toMatchObject({ failed: 3 });
});

test.each([
  [
    'a run that ended badly with no failed test',
    { ...report, numFailedTests: 0 },
    1,
    { passed: 5, failed: 1, skipped: 4 },
  ],
  ['half a report', '{"numPassed', 1, { passed: 0, failed: 1, skipped: 0 }],
])('%s counts as one failure', (_, content, exitCode, totals) => {
  expect(readTotals(write(content), exitCode)).toEqual(totals);
});

test('no report of a good run is no failure; of a bad run it is', () => {
  const missing = join(folder, 'missing.json');
  expect(readTotals(missing, 0)).toEqual({ passed: 0, failed: 0, skipped: 0 });
  expect(readTotals(missing, 1)).toEqual({ passed: 0, failed: 1, skipped: 0 });
});

test('totals add up and read as one line', () => {
  const sum = addTotals({ passed: 1, failed: 2, skipped: 3 }, { passed: 10, failed: 20, skipped: 30 });
  expect(totalsLine(sum)).toBe('11 passed, 22 failed, 33 skipped');
});
