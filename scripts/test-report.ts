import { existsSync, readFileSync } from 'node:fs';
import { stripVTControlCharacters } from 'node:util';

/** What test runs add up to. */
export interface Totals {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** A line for each failure that has a name: its file, its title and the first line of what it said. */
  readonly failures: readonly string[];
}

export const noTests: Totals = { passed: 0, failed: 0, skipped: 0, failures: [] };
/** Where a test run leaves its totals, in the folder of its reports. */
export const totalsFile = 'totals.json';
const maxFailureCharacters = 300;

/** The part of vitest's JSON report that is read here. */
interface JsonReport {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly testResults: readonly FileResult[];
}

interface FileResult {
  readonly name: string;
  readonly status: string;
  readonly message: string;
  readonly assertionResults: readonly TestResult[];
}

interface TestResult {
  readonly fullName: string;
  readonly status: string;
  readonly failureMessages: readonly string[];
}

export function addTotals(a: Totals, b: Totals): Totals {
  return {
    passed: a.passed + b.passed,
    failed: a.failed + b.failed,
    skipped: a.skipped + b.skipped,
    failures: [...a.failures, ...b.failures],
  };
}

/**
 * Totals of one vitest run. A test file that failed without a failed test counts as one failure, and so does a run that
 * ended badly without a failed test to show for it (a crash, an unhandled error, no report at all).
 */
export function readTotals(reportFile: string, exitCode: number): Totals {
  const report = existsSync(reportFile) ? parseReport(readFileSync(reportFile, 'utf8')) : undefined;
  if (report === undefined) return { ...noTests, failed: exitCode === 0 ? 0 : 1 };
  const failed = report.numFailedTests + report.testResults.filter(failedAsAWhole).length;
  return {
    passed: report.numPassedTests,
    failed: failed === 0 && exitCode !== 0 ? 1 : failed,
    skipped: report.numPendingTests + report.numTodoTests,
    failures: report.testResults.flatMap(failuresOf),
  };
}

/** The totals that a test run left behind; undefined when it did not come to its end. */
export function readTotalsFile(file: string): Totals | undefined {
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Totals) : undefined;
}

/** One failure, for a command that failed without a test to show for it. */
export const failedCommand = (command: string, exitCode: number): Totals => ({
  ...noTests,
  failed: 1,
  failures: [`${command}: exit code ${exitCode}`],
});

/** It could not be loaded, or what its tests share could not be made ready, which skips them. */
const failedAsAWhole = ({ status, assertionResults }: FileResult): boolean =>
  status === 'failed' && assertionResults.every((result) => result.status !== 'failed');

function failuresOf(file: FileResult): readonly string[] {
  const { name, message, assertionResults } = file;
  if (failedAsAWhole(file)) return [failureLine(name, message === '' ? 'a hook failed' : message)];
  return assertionResults
    .filter((result) => result.status === 'failed')
    .map((result) => failureLine(`${name} > ${result.fullName}`, result.failureMessages[0] ?? ''));
}

const failureLine = (where: string, message: string): string =>
  `${where}: ${stripVTControlCharacters(message).split('\n', 1)[0] ?? ''}`.slice(0, maxFailureCharacters);

function parseReport(text: string): JsonReport | undefined {
  try {
    return JSON.parse(text) as JsonReport;
  } catch {
    // A run that was killed leaves half a file.
    return undefined;
  }
}

/** The failures that have names, one a line, and then the totals: the end of a log tells what to look for. */
export const summaryOf = ({ passed, failed, skipped, failures }: Totals): string =>
  [
    ...failures.map((failure) => `failed: ${failure}`),
    `${passed} passed, ${failed} failed, ${skipped} skipped`,
  ].join('\n');
