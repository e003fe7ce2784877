import type { Agent } from 'node:http';
import { type ErrorCode, errorCatalogue, isErrorCode } from '@capacloud/protocol/catalogue/errors';
import {
  type ChallengeFrame,
  type CoordinatorFrame,
  chooseProtocol,
  wireLimits,
} from '@capacloud/protocol/wire/frames';
import { protocolVersions } from '@capacloud/protocol/wire/protocol-versions';
import type { Logger } from 'pino';
import { WebSocket } from 'ws';
import type { Clock } from '../core/clock.ts';
import type { Journal } from '../core/journal-port.ts';
import type { Lease } from '../core/lease.ts';
import type { SessionHost } from '../core/session-port.ts';
import { readFrame } from './frame-reader.ts';
import type { Greeter, Greeting } from './greeter.ts';
import { offerFor } from './offer-form.ts';
import { OpenSession } from './open-session.ts';

/** How a connection ended. `good`: the coordinator acknowledged something, so the next try need not wait long. */
export type ConnectionEnd =
  | {
      readonly kind: 'refused';
      readonly code: ErrorCode;
      readonly message: string;
      readonly hint: string;
      readonly good: boolean;
    }
  | { readonly kind: 'lost'; readonly message: string; readonly good: boolean };

export interface ConnectionOptions {
  readonly url: string;
  /** How the connection is made, as by a proxy. Default: directly. */
  readonly httpAgent?: Agent | undefined;
  readonly agentVersion: string;
  readonly greeter: Greeter;
  /** The only coordinator name that is accepted; undefined when none is known yet. */
  readonly expectedName: string | undefined;
  readonly journal: Journal;
  readonly lease: Lease;
  readonly clock: Clock;
  readonly host: SessionHost;
  readonly log: Logger;
  readonly onOpen: (session: OpenSession, coordinator: string) => void;
}

const handshakeTimeoutMs = 2 * wireLimits.handshakeTimeoutMs;

/** One connection, from the dial to its end. Resolves, never rejects; an abort of the signal closes it. */
export function connect(options: ConnectionOptions, signal: AbortSignal): Promise<ConnectionEnd> {
  return new Promise((resolve) => {
    new Connection(options, resolve).run(signal);
  });
}

class Connection {
  readonly #options: ConnectionOptions;
  readonly #socket: WebSocket;
  readonly #resolve: (end: ConnectionEnd) => void;
  #end: ConnectionEnd | undefined;
  #challenge: ChallengeFrame | undefined;
  #helloSentAtMs = 0;
  #helloNode = '';
  #greeting: Greeting | undefined;
  #session: OpenSession | undefined;

  constructor(options: ConnectionOptions, resolve: (end: ConnectionEnd) => void) {
    this.#options = options;
    this.#resolve = resolve;
    this.#socket = new WebSocket(options.url, {
      perMessageDeflate: false,
      maxPayload: wireLimits.frameBytes,
      handshakeTimeout: handshakeTimeoutMs,
      followRedirects: false,
      ...(options.httpAgent === undefined ? {} : { agent: options.httpAgent }),
    });
  }

  run(signal: AbortSignal): void {
    const socket = this.#socket;
    const abort = () => this.#finish({ kind: 'lost', message: 'closed by the agent', good: true }, 1001);
    // guard: give up a handshake that gets no answer
    const timer = setTimeout(() => this.#lose('the handshake took too long'), handshakeTimeoutMs);
    signal.addEventListener('abort', abort, { once: true });
    socket.on('message', (data, isBinary) => {
      if (isBinary || !Buffer.isBuffer(data)) return this.#lose('a binary frame came');
      // An error in a handler of a socket would end the process. The session ends instead, and the next one tells all anew.
      try {
        this.#receive(data);
      } catch (error) {
        this.#fail(error);
      }
      if (this.#session !== undefined) clearTimeout(timer);
    });
    socket.on('error', (error) => this.#lose(error.message));
    socket.on('close', (code, reason) => {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      this.#session?.close();
      this.#resolve(this.#end ?? this.#endOfClose(code, reason.toString('utf8')));
    });
    if (signal.aborted) abort();
  }

  get #good(): boolean {
    return this.#session?.acknowledged ?? false;
  }

  #endOfClose(code: number, reason: string): ConnectionEnd {
    if (code === errorCatalogue['session.superseded'].ws) return this.#refusedWith('session.superseded');
    if (isErrorCode(reason)) return this.#refusedWith(reason);
    return { kind: 'lost', message: `the connection closed (${code})`, good: this.#good };
  }

  #refusedWith(code: ErrorCode): ConnectionEnd {
    const { title, hint } = errorCatalogue[code];
    return { kind: 'refused', code, message: title, hint, good: this.#good };
  }

  /** The first end counts. The close handshake gets a second, then the socket is cut. */
  #finish(end: ConnectionEnd, closeCode: number): void {
    this.#end ??= end;
    this.#session?.close();
    if (this.#socket.readyState === WebSocket.CLOSED) return;
    this.#socket.close(closeCode);
    setTimeout(() => this.#socket.terminate(), 1000).unref();
  }

  #lose(message: string, code: ErrorCode = 'session.stale'): void {
    this.#finish({ kind: 'lost', message, good: this.#good }, errorCatalogue[code].ws);
  }

  #fail(error: unknown): void {
    this.#options.log.error({ err: error }, 'the agent met an error of its own and ends the session');
    this.#lose('the agent met an error of its own');
  }

  #receive(data: Buffer): void {
    if (this.#end !== undefined) return;
    if (this.#challenge === undefined && data.length > wireLimits.handshakeFrameBytes) {
      return this.#lose('the challenge is too large', 'frame.too_large');
    }
    const read = readFrame(data.toString('utf8'));
    if (!read.ok) {
      this.#options.log.warn({ refusal: read.refusal }, 'the coordinator sent a frame that cannot be read');
      return this.#lose(read.refusal.message, read.refusal.code);
    }
    const frame = read.value;
    if (frame.type === 'refusal') {
      const code = isErrorCode(frame.code) ? frame.code : 'session.stale';
      const { message, hint } = frame;
      return this.#finish({ kind: 'refused', code, message, hint, good: this.#good }, 1000);
    }
    if (this.#session !== undefined) {
      const fault = this.#session.receive(frame);
      if (fault !== undefined) this.#lose(fault.message, fault.code);
      return;
    }
    this.#shakeHands(frame);
  }

  #shakeHands(frame: CoordinatorFrame): void {
    if (frame.type === 'challenge' && this.#challenge === undefined) {
      this.#challenge = frame;
      this.#greet(frame).catch((error: unknown) => {
        this.#options.log.error({ err: error }, 'the session could not be signed');
        this.#lose('the session could not be signed');
      });
    } else if (frame.type === 'welcome' && this.#challenge !== undefined && this.#greeting !== undefined) {
      if (!protocolVersions.includes(frame.protocol)) return this.#refuseProtocol();
      const { journal, lease, clock, host, log, greeter } = this.#options;
      const { key, untilMs } = this.#greeting;
      greeter.keep(this.#greeting);
      const send = (text: string) => this.#socket.send(text);
      this.#session = new OpenSession({
        welcome: frame,
        key,
        keyUntilMs: untilMs,
        helloSentAtMs: this.#helloSentAtMs,
        helloNode: this.#helloNode,
        journal,
        lease,
        clock,
        host,
        log,
        send,
        bufferedBytes: () => this.#socket.bufferedAmount,
        lose: (message, code) => this.#lose(message, code),
        fail: (error) => this.#fail(error),
      });
      this.#options.onOpen(this.#session, this.#challenge.coordinator);
      this.#session.start();
    } else {
      this.#lose(`a ${frame.type} frame came during the handshake`, 'frame.unexpected');
    }
  }

  #refuseProtocol(): void {
    this.#finish(
      this.#refusedWith('session.protocol_unsupported'),
      errorCatalogue['session.protocol_unsupported'].ws,
    );
  }

  async #greet(challenge: ChallengeFrame): Promise<void> {
    const { greeter, expectedName, host, clock, agentVersion, log } = this.#options;
    const protocol = chooseProtocol(protocolVersions, challenge.protocols);
    if (protocol === undefined) return this.#refuseProtocol();
    if (expectedName !== undefined && expectedName !== challenge.coordinator) {
      // A delegation to another name could be carried there and used by whoever asked for it.
      const message = `the coordinator calls itself ${challenge.coordinator}, not ${expectedName}`;
      const hint = 'Check the coordinator URL; set coordinator_name to accept the new name.';
      this.#finish({ kind: 'refused', code: 'session.delegation_invalid', message, hint, good: false }, 1000);
      return;
    }
    const skewMs = Math.abs(clock.nowMs() - challenge.nowMs);
    if (skewMs > 60_000) log.warn({ skewMs }, "this machine's clock and the coordinator's differ");
    const greeting = await greeter.greet(challenge);
    if (this.#end !== undefined || this.#socket.readyState !== WebSocket.OPEN) return;
    this.#greeting = greeting;
    this.#helloSentAtMs = clock.bootMs();
    const node = host.node();
    this.#helloNode = JSON.stringify(node);
    this.#socket.send(
      JSON.stringify({
        type: 'hello',
        protocols: protocolVersions,
        agentVersion,
        delegation: greeting.delegation,
        signature: greeting.signature,
        proof: greeting.key.prove(challenge.nonce),
        offer: offerFor(protocol, node.offer),
        accepting: node.accepting,
        attempts: host.heldAttempts(),
      }),
    );
  }
}
