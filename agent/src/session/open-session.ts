import type { ErrorCode } from '@capacloud/protocol/catalogue/errors';
import {
  type AckFrame,
  type AgentFrame,
  type CoordinatorFrame,
  type ReportFrame,
  type WelcomeFrame,
  wireLimits,
} from '@capacloud/protocol/wire/frames';
import type { Receipt } from '@capacloud/protocol/wire/receipt';
import type { Logger } from 'pino';
import type { Clock } from '../core/clock.ts';
import type { Journal } from '../core/journal-port.ts';
import type { Lease } from '../core/lease.ts';
import type { SessionHost } from '../core/session-port.ts';
import { renewBeforeMs } from './greeter.ts';
import type { SessionKey } from './identity.ts';
import { offerFor } from './offer-form.ts';
import { reportFor } from './receipt-form.ts';
import { takeBatch } from './report-batch.ts';

interface SessionParts {
  readonly welcome: WelcomeFrame;
  readonly key: SessionKey;
  /** When the key's delegation ends, by the clock that counts since boot. */
  readonly keyUntilMs: number;
  readonly helloSentAtMs: number;
  /** JSON of what the hello said of the node: it may have changed since. */
  readonly helloNode: string;
  readonly journal: Journal;
  readonly lease: Lease;
  readonly clock: Clock;
  readonly host: SessionHost;
  readonly log: Logger;
  readonly send: (text: string) => void;
  readonly bufferedBytes: () => number;
  readonly lose: (message: string, code: ErrorCode) => void;
  /** Ends the session for an error of the agent's own. */
  readonly fail: (error: unknown) => void;
}

type WithoutNumbers<T> = T extends unknown ? Omit<T, 'seq' | 'ack'> : never;
type Payload = WithoutNumbers<Exclude<AgentFrame, { type: 'hello' }>>;
type Fault = { readonly code: ErrorCode; readonly message: string };

/** Report frames under way at once; the outbox keeps the rest. */
const reportsInFlight = 16;
/** Pause between report frames, which also gathers what comes together. Far below the frame rate that is allowed. */
const reportPauseMs = 10;
/** No report leaves while more than this waits in the socket. */
const maxBufferedBytes = 4 * 1024 * 1024;
/** Heartbeats without any word from the coordinator before the connection counts as dead. */
const silentHeartbeats = 4;

/** A session between welcome and end: numbers, heartbeats, lease and the outbox's drain. */
export class OpenSession {
  readonly token: string;
  readonly protocol: number;
  readonly id: number;
  #acknowledged = false;
  readonly #parts: SessionParts;
  #sent = 0;
  #received = 0;
  #peerAck = 0;
  #heartbeat = 0;
  #heardAtMs: number;
  readonly #renewAtMs: number;
  #sentReport = 0;
  /** Last report id of each frame that is under way. */
  readonly #inFlight: number[] = [];
  #lastNode: string;
  #heartbeatTimer: NodeJS.Timeout | undefined;
  #pumpTimer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(parts: SessionParts) {
    this.#parts = parts;
    this.token = parts.welcome.token;
    this.protocol = parts.welcome.protocol;
    this.id = parts.welcome.session;
    this.#heardAtMs = parts.clock.bootMs();
    this.#renewAtMs = parts.keyUntilMs - renewBeforeMs;
    this.#lastNode = parts.helloNode;
  }

  /** The coordinator acknowledged something, so the session was a good one. */
  get acknowledged(): boolean {
    return this.#acknowledged;
  }

  start(): void {
    const { welcome, lease, helloSentAtMs, host } = this.#parts;
    lease.open(welcome.leaseMs, helloSentAtMs);
    this.#saveLease();
    host.onDesired(welcome.desired);
    this.#beat();
    this.#heartbeatTimer = setInterval(() => this.#guard(() => this.#beat()), welcome.heartbeatMs);
    this.notify();
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#heartbeatTimer);
    clearTimeout(this.#pumpTimer);
  }

  /** There may be reports to send, or the offer may have changed. */
  notify(): void {
    if (this.#closed) return;
    const node = this.#parts.host.node();
    const text = JSON.stringify(node);
    if (text !== this.#lastNode) {
      this.#lastNode = text;
      this.#send({ type: 'offer', offer: offerFor(this.protocol, node.offer), accepting: node.accepting });
    }
    this.#pumpSoon();
  }

  /** Gives the fault that ends the session, if there is one. */
  receive(frame: CoordinatorFrame): Fault | undefined {
    if (frame.type === 'challenge' || frame.type === 'welcome' || frame.type === 'refusal') {
      return { code: 'frame.unexpected', message: `a ${frame.type} frame came in an open session` };
    }
    if (frame.seq !== this.#received + 1) {
      const message = `frame ${frame.seq} came where ${this.#received + 1} was due`;
      return { code: 'frame.out_of_order', message };
    }
    if (frame.ack < this.#peerAck || frame.ack > this.#sent) {
      const message = `the acknowledgement ${frame.ack} is outside ${this.#peerAck} to ${this.#sent}`;
      return { code: 'frame.out_of_order', message };
    }
    this.#received = frame.seq;
    this.#peerAck = frame.ack;
    this.#heardAtMs = this.#parts.clock.bootMs();
    switch (frame.type) {
      case 'assign':
        this.#parts.host.onAssign(frame.assignments);
        break;
      case 'stop':
        this.#parts.host.onStop(frame.attempts);
        break;
      case 'ack':
        this.#acknowledge(frame);
        break;
    }
    return undefined;
  }

  #acknowledge(frame: AckFrame): void {
    const { journal, lease, host } = this.#parts;
    this.#acknowledged = true;
    if (lease.acknowledged(frame.heartbeat)) this.#saveLease();
    // Never beyond what this session sent: a coordinator that is wrong may not erase what it has not seen.
    // REPORT-1
    // guard: keep reports until they are durable
    const report = Math.min(frame.report, this.#sentReport);
    const before = journal.outboxSize();
    if (report > 0) journal.acknowledge(report);
    while ((this.#inFlight[0] ?? Number.POSITIVE_INFINITY) <= report) this.#inFlight.shift();
    if (journal.outboxSize() !== before) host.onChange();
    this.#pump();
  }

  #saveLease(): void {
    const { journal, lease, clock } = this.#parts;
    // Idle nodes need no lease on disk, and so no write at every heartbeat.
    if (lease.untilMs === undefined || journal.attempts().length === 0) return;
    journal.saveLease({ bootId: clock.bootId, untilBootMs: lease.untilMs });
  }

  #beat(): void {
    const { clock, host, lease, lose, welcome } = this.#parts;
    const nowMs = clock.bootMs();
    // guard: notice a coordinator that fell silent
    if (nowMs - this.#heardAtMs > silentHeartbeats * welcome.heartbeatMs) {
      return lose('the coordinator fell silent', 'session.idle');
    }
    if (nowMs >= this.#renewAtMs) return lose('the session key is due for renewal', 'session.stale');
    this.#heartbeat += 1;
    lease.sent(this.#heartbeat, nowMs);
    this.#send({ type: 'heartbeat', n: this.#heartbeat, load: host.load(), pulls: host.pulls() });
    this.#pumpSoon();
  }

  #pumpSoon(): void {
    this.#pumpTimer ??= setTimeout(() => {
      this.#pumpTimer = undefined;
      this.#guard(() => this.#pump());
    }, reportPauseMs);
  }

  /** What timers call: an error there would end the process. */
  #guard(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#parts.fail(error);
    }
  }

  /** Sends one report frame if one may leave, and comes back for the next. */
  #pump(): void {
    if (this.#closed || this.#pumpTimer !== undefined) return;
    if (this.#inFlight.length >= reportsInFlight || this.#parts.bufferedBytes() > maxBufferedBytes) return;
    const waiting = this.#parts.journal.outbox(this.#sentReport, wireLimits.itemsPerReport);
    const items = takeBatch(waiting.map((item) => reportFor(this.protocol, item)));
    const last = items.at(-1);
    if (last === undefined) return;
    const receipts: Receipt[] = [];
    for (const item of items) if (item.kind === 'finished') receipts.push(item.receipt);
    const report: Omit<ReportFrame, 'seq' | 'ack'> = { type: 'report', items: [...items] };
    this.#sentReport = last.id;
    this.#inFlight.push(last.id);
    this.#send(
      receipts.length === 0 ? report : { ...report, signature: this.#parts.key.signReceipts(receipts) },
    );
    this.#pumpSoon();
  }

  #send(payload: Payload): void {
    if (this.#closed) return;
    if (this.#sent - this.#peerAck >= wireLimits.unackedFrames) {
      return this.#parts.lose('the coordinator acknowledges nothing', 'session.backlog');
    }
    this.#sent += 1;
    this.#parts.send(JSON.stringify({ ...payload, seq: this.#sent, ack: this.#received }));
  }
}
