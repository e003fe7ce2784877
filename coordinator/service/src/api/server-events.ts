import { setTimeout as sleep } from 'node:timers/promises';
import { shownJson } from '@capacloud/protocol/input/plain-text';
import type { RawAnswer } from './handler.ts';
import { PulledStream } from './pulled-stream.ts';

/** A comment is sent when nothing happened for so long: it keeps proxies from closing the connection. */
export const heartbeatMs = 15_000;
const stallMs = 30_000;

export const heartbeat = ': heartbeat\n\n';

/** One message of a `text/event-stream` (WHATWG HTML, section 9.2). */
export function serverEvent(event: string, data: unknown, id?: number): string {
  return `${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: ${shownJson(data)}\n\n`;
}

export function eventStream(make: (signal: AbortSignal) => AsyncGenerator<string, void, void>): RawAnswer {
  return {
    status: 200,
    headers: {
      'content-type': 'text/event-stream; charset=utf-8',
      // nginx would hold events back.
      'x-accel-buffering': 'no',
      // The connection ends with the stream, so that none is left waiting for a next request while we stop.
      connection: 'close',
    },
    body: new PulledStream((signal) => opened(make(signal)), stallMs),
  };
}

/** Headers leave with the first bytes, so a comment goes first: a reader learns at once that it is being heard. */
async function* opened(parts: AsyncGenerator<string, void, void>): AsyncGenerator<string, void, void> {
  yield ': open\n\n';
  yield* parts;
}

/** The Last-Event-ID as a number; undefined when there is none or it is not one of ours. */
export function lastEventId(value: unknown): number | undefined {
  return typeof value === 'string' && /^(0|[1-9][0-9]{0,15})$/.test(value) ? Number(value) : undefined;
}

export async function pause(timeoutMs: number, signal: AbortSignal): Promise<void> {
  // The only failure of a sleep is its end by the signal, which the caller looks at.
  await sleep(timeoutMs, undefined, { signal }).catch(() => undefined);
}

/** Wakes a waiting generator. A ring that comes before the wait is not lost. */
export class Bell {
  #rung = false;
  #wake: (() => void) | undefined;

  ring(): void {
    this.#rung = true;
    this.#wake?.();
  }

  /** True when it rang; false after `timeoutMs` or when the signal aborts. */
  async wait(timeoutMs: number, signal: AbortSignal): Promise<boolean> {
    if (!this.#rung && !signal.aborted) {
      const stop = new AbortController();
      this.#wake = () => stop.abort();
      await pause(timeoutMs, AbortSignal.any([signal, stop.signal]));
      this.#wake = undefined;
    }
    const rung = this.#rung;
    this.#rung = false;
    return rung;
  }
}
