import { cp, lstat, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { OwnEngine } from '@capacloud/rig/engine/own-engine';
import { repositoryRoot } from '@capacloud/rig/repository-root';
import type { AuditReport } from './audit.ts';
import type { ChaosCase } from './chaos-case.ts';
import { ChaosRig, type Pace } from './chaos-rig.ts';
import { Dice } from './dice.ts';
import { findMounts, findProcesses } from './leftovers.ts';

export interface CaseOptions {
  /** The engine that is not hurt; without it the case gets one of its own in any event. */
  readonly dockerSocket?: string;
  readonly pace: Pace;
  readonly seed: number;
  readonly signal: AbortSignal;
}

export interface CaseResult {
  readonly strikes: ReadonlyMap<string, number>;
  readonly jobs: number;
  readonly tasks: number;
  readonly longestOutageMs: number;
  readonly report: AuditReport;
  /** Everything that is not as it must be; empty when all is well. */
  readonly findings: readonly string[];
  /** Folder of the processes' files, kept when there is something to find in it. */
  readonly evidence: string | undefined;
}

/** A case failed to run to its end; its files are kept. */
export class CaseFailure extends Error {
  override readonly name = 'CaseFailure';
  readonly evidence: string;

  constructor(evidence: string, cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.evidence = evidence;
  }
}

/** Sets everything up, hurts it for a while, audits what became of it and leaves nothing behind but evidence. */
export async function runCase(chaosCase: ChaosCase, options: CaseOptions): Promise<CaseResult> {
  const dir = await mkdtemp(join(tmpdir(), 'cc-chaos-'));
  try {
    const result = await runAndClose(dir, chaosCase, options);
    const findings = [...result.findings, ...(await findMounts(dir, [])), ...(await findProcesses(dir))];
    if (findings.length === 0) {
      await rm(dir, { recursive: true, force: true });
      return { ...result, findings, evidence: undefined };
    }
    await writeFile(join(dir, 'findings.txt'), `${findings.join('\n')}\n`);
    return { ...result, findings, evidence: await keepEvidence(dir) };
  } catch (error) {
    if (!options.signal.aborted) throw new CaseFailure(await keepEvidence(dir), error);
    await rm(dir, { recursive: true, force: true });
    throw error;
  }
}

/** Temporary files go with their run; what has to be looked at stays in the cache of the checkout. */
async function keepEvidence(dir: string): Promise<string> {
  const evidence = join(repositoryRoot, '.cache', 'chaos', basename(dir));
  const isKept = async (path: string) => (await lstat(path)).isFile() || (await lstat(path)).isDirectory();
  await cp(dir, evidence, { recursive: true, filter: isKept });
  await rm(dir, { recursive: true, force: true }).catch(() => undefined);
  return evidence;
}

async function runAndClose(
  dir: string,
  chaosCase: ChaosCase,
  options: CaseOptions,
): Promise<Omit<CaseResult, 'evidence'>> {
  const closers: (() => Promise<void>)[] = [];
  try {
    return await runIn(dir, closers, chaosCase, options);
  } finally {
    // Each is tried; what one of them did not manage is found afterwards.
    for (const close of closers.reverse()) await close().catch(() => undefined);
  }
}

async function runIn(
  dir: string,
  closers: (() => Promise<void>)[],
  chaosCase: ChaosCase,
  { dockerSocket, pace, seed, signal }: CaseOptions,
): Promise<Omit<CaseResult, 'evidence'>> {
  const dice = new Dice(seed);
  const onClose = (close: () => Promise<void>): void => void closers.push(close);
  let engine: OwnEngine | undefined;
  if (dockerSocket === undefined || chaosCase.hurtsEngine === true) {
    const own = await OwnEngine.create(dir);
    onClose(() => own.close());
    engine = own;
  }
  const plan = await chaosCase.plan({ dir, engine, dice, onClose });
  await engine?.start(...(plan.engineFlags ?? []));
  const socket = engine?.socketPath ?? dockerSocket ?? '';
  const rig = await ChaosRig.open({
    dir,
    dockerSocket: socket,
    plan,
    dice,
    liveJobs: pace.liveJobs,
    signal,
  });
  onClose(() => rig.close());
  const strikes = await rig.strikeRepeatedly(pace);
  const report = await rig.finish();
  const { longestOutageMs } = rig;
  const course = { strikes: [...strikes.values()].reduce((sum, count) => sum + count, 0), longestOutageMs };
  return {
    strikes,
    jobs: rig.workload.jobs.length,
    tasks: rig.workload.taskCount,
    longestOutageMs,
    report,
    findings: [...report.findings, ...(plan.judge?.(report, course) ?? [])],
  };
}
