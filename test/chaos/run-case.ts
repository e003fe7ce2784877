import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OwnEngine } from '../e2e/own-engine.ts';
import type { AuditReport } from './audit.ts';
import type { ChaosCase } from './chaos-case.ts';
import { ChaosRig, type Pace } from './chaos-rig.ts';
import { Dice } from './dice.ts';

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
  const closers: (() => Promise<void>)[] = [];
  let isEvidence = true;
  try {
    const result = await runIn(dir, closers, chaosCase, options);
    isEvidence = result.findings.length > 0;
    if (isEvidence) await writeFile(join(dir, 'findings.txt'), `${result.findings.join('\n')}\n`);
    return { ...result, evidence: isEvidence ? dir : undefined };
  } catch (error) {
    isEvidence = !options.signal.aborted;
    if (!isEvidence) throw error;
    throw new CaseFailure(dir, error);
  } finally {
    for (const close of closers.reverse()) await close().catch(() => undefined);
    if (!isEvidence) await rm(dir, { recursive: true, force: true });
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
  const rig = await ChaosRig.open({ dir, dockerSocket: socket, plan, dice, signal });
  onClose(() => rig.close());
  const strikes = await rig.strikeRepeatedly(pace);
  const report = await rig.finish();
  return {
    strikes,
    jobs: rig.workload.jobs.length,
    tasks: rig.workload.taskCount,
    longestOutageMs: rig.longestOutageMs,
    report,
    findings: [...report.findings, ...(plan.judge?.(report) ?? [])],
  };
}
