import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type DockerEngine, ensureDockerEngine } from '@capacloud/rig/engine/docker-engine';
import { EngineError } from '@capacloud/rig/engine/engine-error';
import type { Guard } from '@capacloud/rig/leftovers/guarded-run';
import { runCommand } from '@capacloud/rig/programs/command';
import { installPackages } from '@capacloud/rig/programs/install-packages';
import { missingPackages } from '@capacloud/rig/programs/system-packages';
import { runNamedStep } from './check-run.ts';
import { stepNames, vitestCommand } from './check-steps.ts';
import { addTotals, noTests, readTotals, type Totals } from './test-report.ts';

export interface TestRun {
  readonly root: string;
  /** Where the JSON reports go; emptied first. */
  readonly reportDir: string;
  /** Arguments passed on to every vitest run. */
  readonly filters: readonly string[];
  /** Under continuous integration whatever is missing fails the run; elsewhere the tests that need it are skipped. */
  readonly strict: boolean;
  readonly write: (text: string) => void;
  readonly signal: AbortSignal;
  readonly guard: Guard;
}

/** An interrupted vitest may wait for a test that waits; what its workers leave is swept away. */
const vitestGraceMs = 5000;

/** Projects of vitest.config.ts. */
interface Projects {
  /** They need no Docker engine, so their files run side by side. */
  readonly engineless: readonly string[];
  /** They run on a real engine. */
  readonly real: readonly string[];
}

/**
 * The checks, then the tests on real parts. A check other than a test that fails counts as one failure, so that
 * the last line never reads better than the exit code.
 */
export function runShortTests(run: TestRun): Promise<Totals> {
  return withRealParts(run, async (parts) => {
    const checks = await runCheckSteps(run);
    if (run.signal.aborted) return checks.totals;
    if (!checks.compiles) {
      run.write('The tests on real parts do not run: the sources do not compile.\n');
      return checks.totals;
    }
    const projects = { engineless: ['loopback'], real: ['real'] };
    return addTotals(checks.totals, await runProjects(projects, run, parts));
  });
}

/** The tests named `*.long.test.ts`: what takes minutes and rarely fails. */
export function runLongTests(run: TestRun): Promise<Totals> {
  const engineless = ['unit-long', 'loopback-long', 'fuzz-long'];
  return withRealParts(run, (parts) =>
    runProjects({ engineless, real: ['real-long', 'packaging-long'] }, run, parts),
  );
}

interface RealParts {
  /** Number of packages and engines that could not be had; each has been told. */
  readonly problems: number;
  readonly engine: DockerEngine | undefined;
}

/** Packages and an engine are made ready while what needs neither runs: most of that time is the network's. */
async function withRealParts(
  run: TestRun,
  work: (parts: Promise<RealParts>) => Promise<Totals>,
): Promise<Totals> {
  rmSync(run.reportDir, { recursive: true, force: true });
  mkdirSync(run.reportDir, { recursive: true });
  const preparing = prepareRealParts(run);
  // Whoever waits for it hears of its failure, and where nobody does the run is over.
  preparing.catch(() => undefined);
  try {
    return await work(preparing);
  } finally {
    const parts = await preparing.catch(() => undefined);
    await run.guard.sweep();
    await parts?.engine?.stop();
  }
}

async function prepareRealParts(run: TestRun): Promise<RealParts> {
  const missing = await installTestPackages(run);
  const engine = await findEngine(run);
  if (engine !== undefined) run.guard.noteEngine(engine.socketPath);
  return { problems: missing + (engine === undefined ? 1 : 0), engine };
}

async function runCheckSteps(run: TestRun): Promise<{ totals: Totals; compiles: boolean }> {
  const { filters, reportDir, signal } = run;
  let totals = noTests;
  let compiles = true;
  for (const name of stepNames) {
    if (signal.aborted) break;
    const { exitCode } = await runNamedStep(name, { paths: [], filters, reportDir }, run);
    const isTest = name === 'unit' || name === 'arch';
    if (isTest) totals = addTotals(totals, readTotals(join(reportDir, `${name}.json`), exitCode));
    else if (exitCode !== 0) totals = addTotals(totals, { ...noTests, failed: 1 });
    if (name === 'types' && exitCode !== 0) compiles = false;
  }
  return { totals, compiles };
}

async function runProjects(
  { engineless, real }: Projects,
  run: TestRun,
  preparing: Promise<RealParts>,
): Promise<Totals> {
  let totals = noTests;
  for (const project of engineless) totals = addTotals(totals, await runProject(project, run, process.env));
  if (run.signal.aborted) return totals;
  const { problems, engine } = await preparing;
  if (problems > 0 && run.strict) return addTotals(totals, { ...noTests, failed: problems });
  const env =
    engine === undefined ? process.env : { ...process.env, CAPACLOUD_DOCKER_SOCKET: engine.socketPath };
  for (const project of real) totals = addTotals(totals, await runProject(project, run, env));
  return totals;
}

async function runProject(
  project: string,
  { root, reportDir, filters, signal, strict }: TestRun,
  env: NodeJS.ProcessEnv,
): Promise<Totals> {
  if (signal.aborted) return noTests;
  const reporter = strict ? 'minimal' : 'default';
  const [command, ...args] = vitestCommand(project, { reportDir, filters, reporter });
  const options = { cwd: root, env, output: 'inherit', graceMs: vitestGraceMs } as const;
  const { exitCode } = await runCommand(command, args, options, signal);
  return readTotals(join(reportDir, `${project}.json`), exitCode);
}

/** Number of problems; each has been told. */
async function installTestPackages({ write, signal, strict }: TestRun): Promise<number> {
  const missing = missingPackages('tests');
  if (missing.length === 0) return 0;
  try {
    await installPackages(missing, write, signal);
    return 0;
  } catch (error) {
    tell(error, write, strict);
    return 1;
  }
}

async function findEngine({ write, signal, strict }: TestRun): Promise<DockerEngine | undefined> {
  try {
    return await ensureDockerEngine(signal);
  } catch (error) {
    tell(error, write, strict);
    return undefined;
  }
}

function tell(error: unknown, write: (text: string) => void, strict: boolean): void {
  if (!(error instanceof EngineError)) throw error;
  const consequence = strict ? 'With CI=true that is a failure.' : 'Tests that need it are skipped.';
  write(`capacloud: ${error.message}\n  hint: ${error.hint}\n  ${consequence}\n`);
}
