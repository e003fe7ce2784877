import { setTimeout as sleep } from 'node:timers/promises';
import { type Backoff, backoffMs } from '@capacloud/waiting/backoff';
import { withDeadline } from '@capacloud/waiting/deadline';

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

const failedProbe: Backoff = { floorMs: 500, baseMs: 1000, limitMs: 300_000 };

/**
 * One run under a hard deadline: it ends in time even when `read` hangs and ignores its signal. Throws what the
 * probe threw, or an error that names the probe.
 */
export async function runProbe<T>(probe: Probe<T>, signal: AbortSignal): Promise<T> {
  const error = () => new Error(`${probe.name} did not answer in ${probe.deadlineMs} ms`);
  return withDeadline({ limitMs: probe.deadlineMs, signal, error }, (limit) => probe.read(limit));
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
    const pauseMs = failures === 0 ? probe.everyMs : backoffMs(failedProbe, failures, Math.random);
    await sleep(pauseMs, undefined, { signal }).catch(() => {});
  }
}
