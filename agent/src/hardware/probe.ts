import { setTimeout as sleep } from 'node:timers/promises';
import { backoffMs } from '../core/backoff.ts';

export interface Probe<T> {
  readonly name: string;
  /** A run that takes longer counts as failed; its signal is aborted then. */
  readonly deadlineMs: number;
  /** Pause after a success. */
  readonly everyMs: number;
  readonly read: (signal: AbortSignal) => Promise<T>;
}

export type ProbeState<T> =
  | { readonly kind: 'pending' }
  | { readonly kind: 'ok'; readonly value: T; readonly atMs: number }
  | { readonly kind: 'failed'; readonly error: string; readonly atMs: number; readonly last?: T };

const backoffBaseMs = 1000;
const backoffLimitMs = 300_000;

/**
 * One run under a hard deadline: it ends in time even when `read` hangs and ignores its signal. Throws what the
 * probe threw, or an error that names the probe.
 */
export async function runProbe<T>(probe: Probe<T>, signal: AbortSignal): Promise<T> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(probe.deadlineMs)]);
  const late = Promise.withResolvers<never>();
  const onLate = () => {
    late.reject(
      signal.aborted ? signal.reason : new Error(`${probe.name} did not answer in ${probe.deadlineMs} ms`),
    );
  };
  limit.addEventListener('abort', onLate, { once: true });
  try {
    const reading = probe.read(limit);
    reading.catch(() => {});
    return await Promise.race([reading, late.promise]);
  } finally {
    limit.removeEventListener('abort', onLate);
  }
}

/** Runs a probe for ever, with backoff while it fails: a driver may come long after the agent. */
export async function watchProbe<T>(
  probe: Probe<T>,
  onState: (state: ProbeState<T>) => void,
  signal: AbortSignal,
): Promise<void> {
  let last: { readonly value: T } | undefined;
  for (let failures = 0; !signal.aborted; ) {
    try {
      const value = await runProbe(probe, signal);
      failures = 0;
      last = { value };
      onState({ kind: 'ok', value, atMs: Date.now() });
    } catch (error) {
      if (signal.aborted) return;
      failures += 1;
      const message = error instanceof Error ? error.message : String(error);
      onState({
        kind: 'failed',
        error: message,
        atMs: Date.now(),
        ...(last === undefined ? {} : { last: last.value }),
      });
    }
    const pauseMs =
      failures === 0 ? probe.everyMs : 500 + backoffMs(failures, backoffBaseMs, backoffLimitMs, Math.random);
    await sleep(pauseMs, undefined, { signal }).catch(() => {});
  }
}
