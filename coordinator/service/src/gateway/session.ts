import { hash } from 'node:crypto';
import type { AccountId, NodeId } from '@capacloud/protocol/ids';
import { nodeIdOf } from '@capacloud/protocol/ids';
import type { Refusal } from '@capacloud/protocol/result';
import type { AttemptRef, HelloFrame } from '@capacloud/protocol/wire/frames';
import { wireLimits } from '@capacloud/protocol/wire/frames';
import type { Connection } from './connection.ts';
import type { SessionFrame } from './frame-reader.ts';
import type { GatewayLimits } from './gateway-limits.ts';
import { NodeContact } from './node-contact.ts';
import type { AddressRates, NodeRates, Rates } from './rates.ts';

/** Below the frame limit of the peer, with room for the envelope. */
const assignFrameBytes = wireLimits.frameBytes - 4096;
const stopsPerFrame = 1024;

/**
 * What the log says of the node of a session: `asked` until its hello is durable or refused, `member` while it is known,
 * `lost` when it was silent for longer than its lease, `stranger` when it was never taken in or has been forgotten.
 */
export type Membership = 'asked' | 'member' | 'lost' | 'stranger';

/** Who opens a session, and what it is opened with. */
export interface Opening {
  /** Rises from session to session, over restarts as well. */
  readonly number: number;
  readonly token: string;
  readonly hello: HelloFrame;
  /** Version that was chosen. */
  readonly protocol: number;
  readonly connection: Connection;
  readonly limits: GatewayLimits;
  readonly rates: Rates;
  readonly nowMs: number;
}

/** One authenticated connection of a node: the numbers of its frames both ways, and what waits to be sent. */
export class Session {
  readonly number: number;
  readonly node: NodeId;
  readonly provider: AccountId;
  readonly token: string;
  /** Version that was chosen. */
  readonly protocol: number;
  /** 64 hex digits. */
  readonly sessionKeyHex: string;
  /** As JSON. */
  readonly delegation: string;
  /** Of the wallet; it names the delegation that the session was opened with. */
  readonly delegationSignature: string;
  readonly connection: Connection;
  /** `task-attempt` of what the hello said that the node holds. */
  readonly named: ReadonlySet<string>;
  readonly #limits: GatewayLimits;
  readonly rates: NodeRates;
  readonly addressRates: AddressRates;
  /** Welcome was sent: assignments may follow. */
  isOpen = false;
  membership: Membership = 'asked';
  readonly contact: NodeContact;
  /** Highest report that is durable, and newest heartbeat: what the next ack says. */
  report = 0;
  heartbeat = 0;
  #ackedReport = 0;
  #ackedHeartbeat = 0;
  #received = 0;
  #sent = 0;
  #acknowledged = 0;
  /** By attempt. */
  #assignments = new Map<string, string>();
  #stops = new Map<string, AttemptRef>();
  #delegationDigest: string | undefined;

  constructor({ number, token, hello, protocol, connection, limits, rates, nowMs }: Opening) {
    this.number = number;
    this.token = token;
    this.protocol = protocol;
    this.node = nodeIdOf(hello.delegation.node);
    // A wallet address is an account id as it is.
    this.provider = hello.delegation.provider as AccountId;
    this.sessionKeyHex = hello.delegation.sessionKey.slice(2);
    this.delegation = JSON.stringify(hello.delegation);
    this.delegationSignature = hello.signature;
    this.connection = connection;
    this.named = new Set(hello.attempts.map(({ task, attempt }) => `${task}-${attempt}`));
    this.#limits = limits;
    this.rates = rates.ofNode(this.node);
    this.addressRates = rates.ofAddress(connection.address);
    this.contact = new NodeContact(nowMs, limits.heartbeatMs);
  }

  /** One token of the node and of its address for each text that arrives, before anything else is done with it. */
  mayReceive(nowMs: number): boolean {
    return this.rates.frames.take(nowMs) && this.addressRates.frames.take(nowMs);
  }

  /** Frames are numbered 1, 2, 3 … each way, so a lost, repeated or reordered one is seen at once. */
  accept(frame: SessionFrame): Refusal | undefined {
    if (frame.seq !== this.#received + 1)
      return {
        code: 'frame.out_of_order',
        message: `Frame ${frame.seq} came where ${this.#received + 1} was due.`,
      };
    if (frame.ack < this.#acknowledged || frame.ack > this.#sent)
      return {
        code: 'frame.out_of_order',
        message: `Frame ${frame.seq} acknowledges ${frame.ack}; ${this.#acknowledged} to ${this.#sent} is possible.`,
      };
    this.#received = frame.seq;
    this.#acknowledged = frame.ack;
    return undefined;
  }

  /** What receipts name the delegation by. */
  get delegationDigest(): string {
    this.#delegationDigest ??= hash('sha256', `${this.delegation}${this.delegationSignature}`, 'hex').slice(
      0,
      32,
    );
    return this.#delegationDigest;
  }

  /** A frame names nothing twice: what waits already is sent once. */
  queueAssignment({ attempt, task }: AttemptRef, json: string): void {
    this.#assignments.set(`${task}-${attempt}`, json);
  }
  queueStop({ attempt, task }: AttemptRef): void {
    this.#stops.set(`${task}-${attempt}`, { task, attempt });
  }

  /** Sends all that waits in as few frames as can be. */
  flush(): void {
    if (!this.isOpen || !this.connection.isOpen) return;
    this.connection.batch(() => {
      // An attempt may be assigned and taken back in one group, so its stop has to follow.
      this.#flushAssignments();
      this.#flushStops();
      this.#flushAck();
    });
    const unacked = this.#sent - this.#acknowledged;
    if (unacked > wireLimits.unackedFrames || this.connection.bufferedBytes > this.#limits.bufferedBytes) {
      this.connection.refuse({
        code: 'session.backlog',
        message: `${unacked} frames are not acknowledged and ${this.connection.bufferedBytes} bytes wait.`,
      });
    }
  }

  #flushStops(): void {
    if (this.#stops.size === 0) return;
    const stops = [...this.#stops.values()];
    this.#stops = new Map();
    for (let from = 0; from < stops.length; from += stopsPerFrame)
      this.#send('stop', `"attempts":${JSON.stringify(stops.slice(from, from + stopsPerFrame))}`);
  }

  #flushAssignments(): void {
    if (this.#assignments.size === 0) return;
    const assignments = this.#assignments.values();
    this.#assignments = new Map();
    let text = '';
    let bytes = 0;
    let count = 0;
    for (const json of assignments) {
      const more = Buffer.byteLength(json) + 1;
      if (count === wireLimits.assignmentsPerFrame || (count > 0 && bytes + more > assignFrameBytes)) {
        this.#send('assign', `"assignments":[${text}]`);
        text = '';
        bytes = 0;
        count = 0;
      }
      bytes += more;
      text += count === 0 ? json : `,${json}`;
      count += 1;
    }
    this.#send('assign', `"assignments":[${text}]`);
  }

  #flushAck(): void {
    if (this.report === this.#ackedReport && this.heartbeat === this.#ackedHeartbeat) return;
    this.#ackedReport = this.report;
    this.#ackedHeartbeat = this.heartbeat;
    this.#send('ack', `"report":${this.report},"heartbeat":${this.heartbeat}`);
  }

  #send(type: 'assign' | 'stop' | 'ack', body: string): void {
    this.#sent += 1;
    this.connection.send(`{"type":"${type}","seq":${this.#sent},"ack":${this.#received},${body}}`);
  }
}
