import type { Agent } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ErrorCode, errorCatalogue } from '@capacloud/protocol/catalogue/errors';
import { abortable } from '@capacloud/waiting/abortable';
import { backoffMs } from '@capacloud/waiting/backoff';
import type { Logger } from 'pino';
import type { Clock } from '../core/clock.ts';
import type { Journal } from '../core/journal-port.ts';
import type { Lease } from '../core/lease.ts';
import { leaseLimitMs } from '../core/lease-limit.ts';
import type { CoordinatorAccess, SessionHost, SessionStatus } from '../core/session-port.ts';
import { type ConnectionEnd, connect } from './connection.ts';
import { Greeter } from './greeter.ts';
import type { NodeIdentity } from './identity.ts';
import type { OpenSession } from './open-session.ts';

export interface SessionPauses {
  readonly backoffBaseMs: number;
  readonly backoffLimitMs: number;
  /** After another agent with the same key took over. */
  readonly supersededMs: number;
  /** After a refusal that only an update or the owner can mend. */
  readonly hopelessMs: number;
}

const defaultPauses: SessionPauses = {
  backoffBaseMs: 500,
  backoffLimitMs: 30_000,
  supersededMs: 300_000,
  hopelessMs: 60_000,
};

export interface SessionClientOptions {
  /** WebSocket URL of the gateway. */
  readonly url: string;
  /** Overrides the coordinator's name that was learned when it was first met. */
  readonly coordinatorName?: string;
  readonly agentVersion: string;
  readonly identity: NodeIdentity;
  readonly journal: Journal;
  readonly lease: Lease;
  readonly clock: Clock;
  readonly log: Logger;
  readonly pauses?: SessionPauses;
  /** How connections are made, as by a proxy. Default: directly. */
  readonly httpAgent?: Agent;
}

/** Refusals that say nothing about the session key. */
const resumesAfter: ReadonlySet<ErrorCode> = new Set([
  'session.draining',
  'session.idle',
  'session.backlog',
  'session.handshake_timeout',
  'service.overloaded',
]);

/** Keeps a session with the coordinator for as long as it runs: outbound only, for ever, with backoff. */
export class SessionClient implements CoordinatorAccess {
  readonly baseUrl: string;
  readonly #options: SessionClientOptions;
  readonly #pauses: SessionPauses;
  readonly #greeter: Greeter;
  #session: OpenSession | undefined;
  #status: SessionStatus = { state: 'idle' };
  #opened = Promise.withResolvers<void>();

  constructor(options: SessionClientOptions) {
    this.#options = options;
    this.#pauses = options.pauses ?? defaultPauses;
    this.#greeter = new Greeter(options.identity, options.clock);
    const url = new URL(options.url);
    this.baseUrl = `${url.protocol === 'wss:' ? 'https:' : 'http:'}//${url.host}`;
  }

  token(): string | undefined {
    return this.#session?.token;
  }

  protocol(): number | undefined {
    return this.#session?.protocol;
  }

  status(): SessionStatus {
    return this.#status;
  }

  notify(): void {
    this.#session?.notify();
  }

  async whenOpen(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#session !== undefined) return;
    await abortable(this.#opened.promise, signal);
  }

  /** Resolves when the signal is aborted and the connection is closed. */
  async run(host: SessionHost, signal: AbortSignal): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      this.#status = { ...this.#status, state: 'connecting' };
      const end = await this.#connectOnce(host, signal);
      // Whatever it was that the coordinator did not like, a new key cannot make it worse.
      if (end.kind === 'refused' && !resumesAfter.has(end.code)) this.#greeter.forget();
      if (signal.aborted) break;
      failures = end.good ? 0 : failures + 1;
      const pauseMs = this.#pauseAfter(end, failures);
      await sleep(pauseMs, undefined, { signal }).catch(() => {});
    }
    this.#status = { ...this.#status, state: 'closed' };
  }

  async #connectOnce(host: SessionHost, signal: AbortSignal): Promise<ConnectionEnd> {
    const { journal, log, clock } = this.#options;
    const expectedName = this.#options.coordinatorName ?? journal.coordinatorName();
    const end = await connect(
      {
        ...this.#options,
        greeter: this.#greeter,
        expectedName,
        host,
        onOpen: (session, coordinator) => {
          if (expectedName !== journal.coordinatorName() || expectedName === undefined) {
            journal.saveCoordinatorName(coordinator);
          }
          this.#session = session;
          this.#status = { state: 'open', coordinator, session: session.id, openSinceMs: clock.nowMs() };
          log.info({ coordinator, session: session.id }, 'session open');
          this.#opened.resolve();
        },
      },
      signal,
    );
    if (this.#session !== undefined) {
      this.#session = undefined;
      this.#opened = Promise.withResolvers<void>();
      host.onChange();
    }
    return end;
  }

  /** Undefined when no work depends on it. */
  #leaseLeftMs(): number | undefined {
    const { journal, lease, clock } = this.#options;
    if (lease.untilMs === undefined || journal.attempts().length === 0) return undefined;
    return lease.untilMs - clock.bootMs();
  }

  /** Logs the end and gives the pause before the next try. */
  #pauseAfter(end: ConnectionEnd, failures: number): number {
    const { log } = this.#options;
    const { backoffBaseMs, backoffLimitMs, supersededMs, hopelessMs } = this.#pauses;
    const { coordinator } = this.#status;
    const base = coordinator === undefined ? {} : { coordinator };
    const limitMs = leaseLimitMs(backoffLimitMs, this.#leaseLeftMs());
    const pauseMs = backoffMs({ baseMs: backoffBaseMs, limitMs }, failures, Math.random);
    if (end.kind === 'lost') {
      this.#status = { ...base, state: 'waiting', lastError: end.message };
      log.warn({ reason: end.message, pauseMs }, 'session lost');
      return pauseMs;
    }
    const { code, message, hint } = end;
    this.#status = { ...base, state: 'waiting', lastRefusal: { code, message, hint } };
    if (code === 'session.superseded') {
      this.#status = { ...this.#status, state: 'superseded' };
      log.error(
        { code, hint, pauseMs: supersededMs },
        'another agent with this key took over; standing back',
      );
      return supersededMs;
    }
    if (!errorCatalogue[code].retryable) {
      log.error({ code, reason: message, hint, pauseMs: hopelessMs }, 'the coordinator refused the session');
      return hopelessMs;
    }
    log.warn({ code, reason: message, hint, pauseMs }, 'the coordinator ended the session');
    return pauseMs;
  }
}
