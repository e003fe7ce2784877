import { setTimeout as sleep } from 'node:timers/promises';
import type { AttemptRecord, Ending } from '../core/attempt-record.ts';
import { attemptKeyText, type LogChunk, type ObservedAttempt } from '../core/ports.ts';
import { remainingRunMs } from '../core/run-clock.ts';
import { isStorageFault } from '../core/storage-fault.ts';
import { untilEngineAnswers } from '../features/deadline.ts';
import type { LogSpool } from '../features/logs/log-spool.ts';
import type { WorkParts } from '../features/work-parts.ts';

/** After a container has ended, its output is not waited for any more once nothing has come for so long. */
const lastOutputMs = 10_000;
/** Between two tries to write output, while the disk takes none. */
const writeAgainMs = 1000;
/** Longest timer that Node takes. */
const maxTimerMs = 2 ** 31 - 1;

type RunParts = Pick<WorkParts, 'runtime' | 'logs' | 'clock' | 'log'>;

/**
 * Stays with a container, new or found after a restart, until it has ended: spools its output and calls
 * `onTimeout` when its run time is over. Rejects only through the signal.
 */
export async function runContainer(
  parts: RunParts,
  record: AttemptRecord,
  onTimeout: () => void,
  signal: AbortSignal,
): Promise<Ending> {
  const { runtime, logs, clock } = parts;
  const { key, assignment } = record;
  const spool = await logs.open(key);
  const following = new AbortController();
  const output = { isBlocked: false };
  const followed = follow(parts, record, output, AbortSignal.any([signal, following.signal]));
  // STOP-1
  // guard: stop at the end of the run time
  const disarm = arm(remainingRunMs(assignment.runTimeoutMs, record.runStart, clock), onTimeout);
  let seen: ObservedAttempt;
  try {
    seen = await untilEngineAnswers(signal, () => runtime.wait(key, signal));
  } catch (error) {
    following.abort();
    await followed;
    throw error;
  } finally {
    disarm();
  }
  await untilQuiet(spool, output, followed);
  following.abort();
  await followed;
  signal.throwIfAborted();
  spool.finish();
  return endingOf(seen, runtime.pidsExhausted(key));
}

/** Output that waits for a disk which takes no writes. */
interface OutputState {
  isBlocked: boolean;
}

/**
 * The output is worth having, but no reason to fail: its loss is noted in the agent's log. While the disk takes no writes it
 * stays with the engine, which is asked again from where the spool ends.
 */
async function follow(
  parts: RunParts,
  record: AttemptRecord,
  output: OutputState,
  signal: AbortSignal,
): Promise<void> {
  const { runtime, logs, log } = parts;
  const attempt = attemptKeyText(record.key);
  for (;;) {
    try {
      const spool = await logs.open(record.key);
      const sink = async (chunk: LogChunk) => {
        await spool.append(chunk.bytes);
        output.isBlocked = false;
      };
      return await untilEngineAnswers(signal, () =>
        runtime.followLogs(record.key, spool.sizeBytes, sink, signal),
      );
    } catch (error) {
      if (signal.aborted) return;
      if (!isStorageFault(error))
        return log.warn({ err: error, attempt }, 'the output of a container was lost');
      if (!output.isBlocked)
        log.warn({ err: error, attempt }, 'the output of a container waits for the disk');
      output.isBlocked = true;
    }
    await sleep(writeAgainMs, undefined, { signal }).catch(() => {});
  }
}

/** The end of a long output comes well after the container's; while it comes, it is waited for. */
async function untilQuiet(spool: LogSpool, output: OutputState, followed: Promise<void>): Promise<void> {
  const over = followed.then(() => true);
  for (let sizeBytes = -1; spool.sizeBytes !== sizeBytes || output.isBlocked; ) {
    ({ sizeBytes } = spool);
    const waiting = new AbortController();
    const quiet = sleep(lastOutputMs, false, { signal: waiting.signal }).catch(() => false);
    const isOver = await Promise.race([over, quiet]);
    waiting.abort();
    if (isOver) return;
  }
}

function arm(leftMs: number, onTimeout: () => void): () => void {
  let timer: NodeJS.Timeout;
  const wait = (restMs: number) => {
    const partMs = Math.min(restMs, maxTimerMs);
    timer = setTimeout(() => (restMs > partMs ? wait(restMs - partMs) : onTimeout()), partMs);
  };
  wait(leftMs);
  return () => clearTimeout(timer);
}

function endingOf(seen: ObservedAttempt, pidsExhausted: boolean): Ending {
  const { exitCode, oomKilled, engineError, startedAtMs, finishedAtMs } = seen;
  return {
    oomKilled,
    pidsExhausted,
    engineLost: seen.engineLost === true || seen.container !== 'exited',
    ...(exitCode === undefined ? {} : { exitCode }),
    ...(engineError === undefined ? {} : { engineError }),
    ...(startedAtMs === undefined ? {} : { startedAtMs }),
    ...(finishedAtMs === undefined ? {} : { finishedAtMs }),
  };
}
