import { setTimeout as pause } from 'node:timers/promises';
import type { FastifyBaseLogger } from 'fastify';
import type { PrivateRows } from './ports/private-rows.ts';

const dayMs = 24 * 3600_000;
const roundMs = 60_000;
/** Between two steps others write. */
const restMs = 50;
/** Steps of a round; what is left waits for the next one. */
const maxSteps = 400;
/** An Idempotency-Key is remembered for a day. */
export const answerKeptMs = dayMs;

export interface RetentionParts {
  readonly rows: PrivateRows;
  readonly days: RetentionDays;
  readonly now: () => number;
  readonly logger: Pick<FastifyBaseLogger, 'error'>;
}

/** How long private rows of ended jobs are kept, in days. */
export interface RetentionDays {
  readonly jobs: number;
  readonly receipts: number;
  /** Until they are deleted where nothing is said. */
  readonly artifacts: number | undefined;
}

/** Removes private rows that have aged, in small steps. Gives how to stop it. */
export function startRetention({ days, logger, now, rows }: RetentionParts): () => Promise<void> {
  const stop = new AbortController();
  const round = async (): Promise<void> => {
    for (let step = 0; step < maxSteps && !stop.signal.aborted; step++) {
      const at = now();
      const more = await rows.removeOlder({
        jobs: at - days.jobs * dayMs,
        receipts: at - days.receipts * dayMs,
        artifacts: days.artifacts === undefined ? undefined : at - days.artifacts * dayMs,
        answers: at - answerKeptMs,
      });
      if (!more) return;
      await pause(restMs, undefined, { signal: stop.signal }).catch(() => undefined);
    }
  };
  let running: Promise<void> | undefined;
  const timer = setInterval(() => {
    running ??= round()
      .catch((err: unknown) => logger.error({ err }, 'what has aged could not be removed'))
      .finally(() => {
        running = undefined;
      });
  }, roundMs);
  timer.unref();
  return async () => {
    clearInterval(timer);
    stop.abort();
    await running;
  };
}
