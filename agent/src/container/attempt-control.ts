import { setTimeout as delay } from 'node:timers/promises';
import { accept, type Result } from '@capacloud/protocol/result';
import type { Assignment } from '@capacloud/protocol/wire/frames';
import { type AttemptKey, type ClaimStart, EngineUnavailable, type RuntimeFailure } from '../core/ports.ts';
import { type OwnText, own, type Sentence, say } from '../core/sentence.ts';
import { containerName, filledLabel, keeperName } from '../engine/attempt-names.ts';
import { waitForEnd } from '../engine/containers.ts';
import type { ContainerInspectInfo, Engine } from '../engine/engine.ts';
import { deadlines, engineMessage, engineStatus } from '../engine/engine-call.ts';
import { windowUntilNow } from '../engine/engine-events.ts';
import { judgeRefusal } from '../engine/engine-refusal.ts';
import { holdsProgram, programCandidates } from '../engine/start-check.ts';
import { filledFoldersOf, planAttempt, textsOf } from '../features/of-assignment.ts';
import { isScratchNew } from '../scratch/scratch-age.ts';
import { containerEvents } from './attempt-inspection.ts';
import { hasStarted } from './attempt-setup.ts';
import type { KnownPrograms } from './known-programs.ts';

const killWaitMs = 60_000;
const unansweredPollMs = 500;

export interface StartParts {
  readonly engine: Engine;
  readonly known: KnownPrograms;
  readonly claim: ClaimStart;
  readonly unansweredStartMs: number;
}

/** Starts a container that was never started; one that was is left alone, whatever became of it. */
export async function startAttempt(
  { engine, known, claim, unansweredStartMs }: StartParts,
  assignment: Assignment,
  signal: AbortSignal,
): Promise<Result<void, RuntimeFailure>> {
  const key: AttemptKey = { task: assignment.task, attempt: assignment.attempt };
  const name = containerName(key);
  const info = await engine.inspectContainer(name, signal);
  if (info === undefined) return failure('engine_lost', say`The container is gone.`);
  if (hasStarted(info)) return accept(undefined);
  const keeper = await engine.inspectContainer(keeperName(key), signal);
  if (keeper?.State.Running !== true)
    return failure('engine_lost', say`The container engine stopped before the start.`);
  const [scratch] = planAttempt(assignment).scratch;
  // A feature, or a copy of the image's folder, fills it after the start of the keeper and before the container is made.
  const isFilled =
    (scratch !== undefined && filledFoldersOf(assignment).includes(scratch.folder)) ||
    info.Config.Labels[filledLabel] !== undefined;
  const lastChange = isFilled ? info.Created : keeper.State.StartedAt;
  if (
    scratch !== undefined &&
    (await isScratchNew(engine, { container: name, path: scratch.folder }, lastChange, signal))
  )
    return failure(
      'engine_lost',
      say`The container engine restarted before the start, and lost the scratch.`,
    );
  const unfit = await programFault({ engine, known }, assignment, info, signal);
  if (unfit !== undefined) return unfit;
  if (!claim()) {
    const found = await afterUnansweredStart(engine, info, unansweredStartMs, signal);
    if (found === 'unknown')
      return failure('engine_lost', say`The container engine stopped during the start, and did not note it.`);
    if (found === 'started') return accept(undefined);
  }
  try {
    await engine.startContainer(name, signal);
    return accept(undefined);
  } catch (error) {
    const status = engineStatus(error);
    if (status === undefined) throw error;
    if (status === 304) return accept(undefined);
    const ownTexts = ownTextsOf(assignment, info);
    return { ok: false, refusal: judgeRefusal({ status, detail: engineMessage(error), ownTexts }) };
  }
}

/**
 * What became of a start that was asked for by an agent that then ended. The engine may still come to it: it answers the
 * requests of who is gone. After that its word counts where it has not stopped since it made the container. One without
 * live-restore has not, because the keeper runs; of another it shows, for as long as it remembers what it did then.
 */
async function afterUnansweredStart(
  engine: Engine,
  { Created: created, Id: id }: ContainerInspectInfo,
  withinMs: number,
  signal: AbortSignal,
): Promise<'started' | 'not started' | 'unknown'> {
  const untilMs = performance.now() + withinMs;
  while (performance.now() < untilMs) {
    await delay(unansweredPollMs, undefined, { signal });
    const info = await engine.inspectContainer(id, signal);
    if (info === undefined) return 'unknown';
    if (hasStarted(info)) return 'started';
  }
  const { LiveRestoreEnabled: livesOn, SystemTime: now = '' } = await engine.info(signal);
  const window = windowUntilNow(created, now);
  // Its clock was set back since, so nothing that it remembers can be placed in time.
  if (window === undefined) return 'unknown';
  const events = await containerEvents(engine, { id, kinds: ['create', 'start', 'die'], window }, signal);
  if (events.includes('start') || events.includes('die')) return 'unknown';
  return livesOn === false || events.includes('create') ? 'not started' : 'unknown';
}

async function programFault(
  { engine, known }: Pick<StartParts, 'engine' | 'known'>,
  assignment: Assignment,
  info: ContainerInspectInfo,
  signal: AbortSignal,
): Promise<Result<never, RuntimeFailure> | undefined> {
  const program = [...(toList(info.Config.Entrypoint) ?? []), ...(info.Config.Cmd ?? [])][0] ?? '';
  const candidates = programCandidates(program, info.Config.Env ?? [], info.Config.WorkingDir ?? '');
  const answer = await holdsProgram(engine, containerName(assignment), candidates, signal);
  if (answer === 'present') known.add(assignment, info.Image, candidates);
  if (answer !== 'absent') return undefined;
  const what = own(program);
  return known.has(assignment, info.Image, candidates)
    ? failure(
        'agent_failed',
        say`${what}: the image held this program before; the node has lost a part of it.`,
      )
    : failure('start_failed', absentProgram(what));
}

function absentProgram(program: OwnText): Sentence {
  return program === '/bin/sh'
    ? say`The image holds no /bin/sh, which runs a command that is written as a string; write the command as a list.`
    : say`${program}: the image holds no such program.`;
}

/** What of the container the job or its image chose. */
function ownTextsOf(assignment: Assignment, { Config: config }: ContainerInspectInfo): readonly string[] {
  const { Cmd: command, Entrypoint: entrypoint, WorkingDir: workingDir } = config;
  const volumes = Object.keys(config.Volumes ?? {});
  return [...textsOf(assignment), ...(toList(entrypoint) ?? []), ...(command ?? []), workingDir, ...volumes];
}

function toList(value: string | string[] | undefined | null): readonly string[] | undefined {
  return typeof value === 'string' ? [value] : (value ?? undefined);
}

function failure(reason: RuntimeFailure['reason'], message: Sentence): Result<never, RuntimeFailure> {
  return { ok: false, refusal: { reason, message } };
}

/** TERM, wait, KILL. The image's own stop signal is not asked for: it could be one that ends nothing. */
export async function stopAttempt(
  engine: Engine,
  key: AttemptKey,
  graceMs: number,
  signal: AbortSignal,
): Promise<void> {
  const name = containerName(key);
  if (graceMs > 0) {
    if (!(await sendSignal(engine, name, 'SIGTERM', signal))) return;
    if (await hasEnded(engine, name, graceMs, signal)) return;
  }
  if (!(await sendSignal(engine, name, 'SIGKILL', signal))) return;
  if (!(await hasEnded(engine, name, killWaitMs, signal)))
    throw new EngineUnavailable('The container engine could not kill a container.');
}

/** False when there is nothing that runs. */
async function sendSignal(
  engine: Engine,
  name: string,
  signalName: 'SIGTERM' | 'SIGKILL',
  signal: AbortSignal,
): Promise<boolean> {
  try {
    await engine.signalContainer(name, signalName, signal);
    return true;
  } catch (error) {
    const status = engineStatus(error);
    if (status === 404 || status === 409) return false;
    throw error;
  }
}

async function hasEnded(
  engine: Engine,
  name: string,
  withinMs: number,
  signal: AbortSignal,
): Promise<boolean> {
  const untilMs = performance.now() + withinMs;
  for (;;) {
    const info = await engine.inspectContainer(name, signal);
    if (info?.State.Running !== true) return true;
    const leftMs = untilMs - performance.now();
    if (leftMs <= 0) return false;
    await waitForEnd(engine, name, Math.min(leftMs, deadlines.queryMs), signal);
  }
}
