import { setTimeout as delay } from 'node:timers/promises';
import type { AttemptKey, ObservedAttempt } from '../core/ports.ts';
import { say } from '../core/sentence.ts';
import { containerName, keeperName } from '../engine/attempt-names.ts';
import type { ContainerInspectInfo, Engine } from '../engine/engine.ts';
import { type EventWindow, readEngineEvents, runWindow } from '../engine/engine-events.ts';
import type { AttemptNotes } from './attempt-notes.ts';
import { searchKernelLog } from './kernel-log.ts';

/** Milliseconds since 1970 of a time of the engine; undefined for its zero time. */
export function engineTimeMs(text: string | undefined): number | undefined {
  const ms = Date.parse(text ?? '');
  return Number.isFinite(ms) && ms > 0 ? ms : undefined;
}

/**
 * Whether the keeper has lived at least as long as the task. It is started before the task, never ends by itself and
 * is never started again, so a keeper that runs proves that the engine took no container down meanwhile. (With
 * live-restore an engine restarts under running containers: then both live on, and the task's exit is its own.)
 */
export function keeperOutlived(
  keeper: Pick<ContainerInspectInfo, 'State'> | undefined,
  task: Pick<ContainerInspectInfo, 'State'>,
): boolean {
  if (keeper === undefined || !keeper.State.Running) return false;
  return Date.parse(keeper.State.StartedAt) <= Date.parse(task.State.StartedAt);
}

const killedExitCode = 137;
/** What the engine notes for a container that was gone when it began, and also what a program may exit with. */
const lostExitCode = 255;
const lateOomWaitMs = 200;
const lateOomTries = 5;

/**
 * What became of one attempt. For an ended container it is told apart whether it ended by itself: the keeper is
 * looked at *after* the exit, over a fresh connection. An engine that is stopping no longer accepts one.
 */
export async function inspectAttempt(
  engine: Engine,
  key: AttemptKey,
  notes: AttemptNotes,
  signal: AbortSignal,
): Promise<ObservedAttempt> {
  const info = await engine.inspectContainer(containerName(key), signal);
  if (info === undefined) return { key, container: 'absent', oomKilled: false, scratch: false };
  const base = { key, oomKilled: info.State.OOMKilled || notes.evidence.oomKilled, scratch: true };
  const startedAtMs = engineTimeMs(info.State.StartedAt);
  const started = startedAtMs === undefined ? base : { ...base, startedAtMs };
  if (info.State.Dead || info.State.Status === 'removing' || info.State.Status === 'dead')
    return { ...started, container: 'broken', engineLost: true, engineError: say`The container is dead.` };
  if (info.State.Running) return { ...started, container: 'running' };
  if (startedAtMs === undefined)
    return {
      ...base,
      container: 'created',
      ...(info.State.Error === '' ? {} : { engineError: say`The container engine met an error of its own.` }),
    };
  const keeper = await engine.inspectContainer(keeperName(key), signal);
  const finishedAtMs = engineTimeMs(info.State.FinishedAt);
  const ended = finishedAtMs === undefined ? started : { ...started, finishedAtMs };
  if (!keeperOutlived(keeper, info))
    return {
      ...ended,
      container: 'broken',
      engineLost: true,
      engineError: say`The container engine stopped and took the container along.`,
    };
  return await inspectExit(engine, info, { ended, notes }, signal);
}

async function inspectExit(
  engine: Engine,
  info: ContainerInspectInfo,
  { ended, notes }: { readonly ended: Omit<ObservedAttempt, 'container'>; readonly notes: AttemptNotes },
  signal: AbortSignal,
): Promise<ObservedAttempt> {
  const asked = { id: info.Id, kinds: ['oom', 'kill'], window: runWindow(info.State) };
  const events = await containerEvents(engine, asked, signal);
  if (!notes.stopAsked && events.includes('kill'))
    return {
      ...ended,
      container: 'broken',
      engineLost: true,
      engineError: say`Somebody on the node stopped the container.`,
    };
  const { ExitCode: exitCode } = info.State;
  // An exit that it heard of it announces; what it found gone it does not.
  if (
    exitCode === lostExitCode &&
    !(
      await containerEvents(engine, { ...asked, kinds: ['die'], window: runWindow(info.State, 0.5) }, signal)
    ).includes('die')
  )
    return {
      ...ended,
      container: 'broken',
      engineLost: true,
      engineError: say`The container engine did not see how the container ended.`,
    };
  if (exitCode !== 0 && !notes.stopAsked) notes.note(await searchKernelLog(info.Id));
  let oomKilled = ended.oomKilled || notes.evidence.oomKilled || events.includes('oom');
  // The engine may hear of the kill for memory after it heard of the exit.
  const unexplained = exitCode === killedExitCode && !notes.stopAsked;
  for (let tries = 0; unexplained && !oomKilled && tries < lateOomTries; tries++) {
    await delay(lateOomWaitMs, undefined, { signal });
    oomKilled = (await engine.inspectContainer(info.Id, signal))?.State.OOMKilled === true;
  }
  return { ...ended, container: 'exited', exitCode, oomKilled };
}

interface AskedEvents {
  readonly id: string;
  readonly kinds: readonly string[];
  readonly window: EventWindow;
}

/** Kinds of events that the engine remembers of the container. They are hints: it keeps 256, until it ends. */
export async function containerEvents(
  engine: Engine,
  { id, kinds, window }: AskedEvents,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const stream = await engine.events(window, { container: [id], event: kinds }, signal);
  try {
    return await readEngineEvents(stream.chunks);
  } finally {
    stream.close();
  }
}
