import { randomBytes } from 'node:crypto';
import type { NodeRecord } from '@capacloud/core/state';
import { errorCatalogue } from '@capacloud/protocol/catalogue/errors';
import type { NodeId } from '@capacloud/protocol/ids';
import { canonicalJson } from '@capacloud/protocol/log/canonical';
import type { Refusal } from '@capacloud/protocol/result';
import type { HeartbeatFrame, HelloFrame, OfferFrame, WelcomeFrame } from '@capacloud/protocol/wire/frames';
import type { ClientAddresses } from '../client-addresses.ts';
import type { Sequencer } from '../ports/sequencer.ts';
import type { Connection } from './connection.ts';
import type { Dispatcher } from './dispatcher.ts';
import { readSessionFrame } from './frame-reader.ts';
import type { GatewayLimits } from './gateway-limits.ts';
import type { Proven } from './handshake.ts';
import type { JoinGate } from './join-gate.ts';
import { type OfferBudget, type Offered, OfferIntake, offerWaitMs, spendOffer } from './offer-intake.ts';
import type { Rates } from './rates.ts';
import { type IntakeDeps, ReportIntake } from './report-intake.ts';
import { Session } from './session.ts';
import type { SessionTable } from './session-table.ts';

export interface DeskDeps extends IntakeDeps {
  readonly sequencer: Sequencer;
  readonly sessions: SessionTable;
  readonly clients: Pick<ClientAddresses, 'know'>;
  readonly joins: JoinGate;
  readonly rates: Rates;
  readonly dispatcher: Dispatcher;
  readonly limits: GatewayLimits;
}

/** Opens sessions for peers that have proven who they are, and reads their frames. */
export class SessionDesk {
  readonly #deps: DeskDeps;
  readonly #intakes = new Map<Session, ReportIntake>();
  readonly #offers = new Map<Session, OfferIntake>();
  #number: number;

  constructor(deps: DeskDeps) {
    this.#deps = deps;
    // Rises over restarts as well.
    this.#number = deps.now();
  }

  /** Ends when the session has been welcomed or refused. */
  async open(connection: Connection, { hello, checked }: Proven): Promise<void> {
    const { sessions, sequencer, limits } = this.#deps;
    const session = new Session(
      ++this.#number,
      `ccs_${randomBytes(32).toString('base64url')}`,
      hello,
      checked.protocol,
      connection,
      limits,
      this.#deps.rates,
      this.#deps.now(),
    );
    const said = this.#offerOf(session, hello);
    if (said === undefined || !this.#makeRoom(session.node)) {
      connection.refuse(said === undefined ? ownerChanges : noRoom);
      return;
    }
    const leave = this.#admit(session.node, hello, connection);
    if (leave === undefined) return;
    connection.onEnd = () => {
      leave();
      this.#end(session);
    };
    // From here on the older session of the node is fenced: nothing it still sends is read.
    sessions.put(session)?.connection.refuse({
      code: 'session.superseded',
      message: `Session ${session.number} of this node took over.`,
    });
    const { delegation, signature, attempts } = hello;
    const outcome = await sequencer.submit(
      {
        type: 'node.connect',
        at: this.#deps.now(),
        node: session.node,
        provider: session.provider,
        offer: said.offer,
        accepting: said.accepting,
        held: attempts,
      },
      // What is resumed was written when it was taken.
      () =>
        checked.resumes
          ? []
          : [
              {
                kind: 'session',
                node: session.node,
                delegation: JSON.stringify(delegation),
                signature,
              },
            ],
    );
    if (!outcome.ok) connection.refuse(outcome.refusal);
    else if (connection.isOpen) this.#welcome(session, hello, said);
  }

  /** Before anything is verified: why the node could not be let in anyway. */
  turnAway(node: NodeId): Refusal | undefined {
    const { sequencer, sessions, limits } = this.#deps;
    const isFull = sessions.size >= limits.sessions && sessions.get(node) === undefined;
    return isFull && sequencer.state.nodes.get(node)?.isProven !== true ? noRoom : undefined;
  }

  /** A node whose work was paid takes the place of one that has done nothing yet, where there is no other. */
  #makeRoom(node: NodeId): boolean {
    const { sequencer, sessions, limits, placements } = this.#deps;
    if (sessions.size < limits.sessions || sessions.get(node) !== undefined) return true;
    const { nodes } = sequencer.state;
    if (nodes.get(node)?.isProven !== true) return false;
    for (const session of sessions.values()) {
      if (nodes.get(session.node)?.isProven === true || [...placements.of(session.node)].length > 0) continue;
      session.connection.evict(noRoom);
      return true;
    }
    return false;
  }

  #budgetOf({ rates, addressRates }: Session): OfferBudget {
    return { node: rates, address: addressRates, intervalMs: this.#deps.limits.offerIntervalMs };
  }

  /**
   * What the hello offers, as far as the rate of offers allows it; otherwise what the node offered last, and its news follow
   * as any other change. Undefined: they cannot follow, because another owner's come with the delegation alone.
   */
  #offerOf(session: Session, hello: HelloFrame): Offered | undefined {
    const { state } = this.#deps.sequencer;
    const recorded = state.nodes.get(session.node);
    const isSame =
      recorded !== undefined &&
      recorded.provider === session.provider &&
      recorded.accepting === hello.accepting &&
      canonicalJson(recorded.offer) === canonicalJson(hello.offer);
    if (isSame) return hello;
    const nowMs = this.#deps.now();
    const budget = this.#budgetOf(session);
    if (recorded !== undefined && offerWaitMs(budget, nowMs) > 0)
      return recorded.provider === session.provider ? recorded : undefined;
    spendOffer(budget, nowMs);
    return hello;
  }

  /** Gives what to call when the session ends; undefined where the node was refused. */
  #admit(node: NodeId, { offer }: HelloFrame, connection: Connection): (() => void) | undefined {
    const { joins, sequencer } = this.#deps;
    const known = sequencer.state.nodes.get(node);
    if (known?.isProven === true) return () => {};
    const refusal = known === undefined ? joins.join(connection.address) : joins.growthRefusal(known, offer);
    if (refusal === undefined) return joins.enter(connection.address);
    connection.refuse(refusal);
    return undefined;
  }

  /** Closes what has been silent for too long. */
  closeIdle(): void {
    const before = this.#deps.now() - this.#deps.limits.idleMs;
    for (const session of this.#deps.sessions.values()) {
      if (session.contact.lastAt > before || this.#intakes.get(session)?.isPaused === true) continue;
      session.connection.refuse({
        code: 'session.idle',
        message: `Nothing was heard for ${this.#deps.limits.idleMs} ms.`,
      });
    }
  }

  #welcome(session: Session, hello: HelloFrame, said: Offered): void {
    const { placements, dispatcher, limits, sequencer } = this.#deps;
    const desired = [...placements.of(session.node)];
    const welcome: WelcomeFrame = {
      type: 'welcome',
      protocol: session.protocol,
      session: session.number,
      // Three chances before silence is noticed, however short the operator made that time.
      heartbeatMs: Math.min(limits.heartbeatMs, Math.ceil(sequencer.state.ruleset.unknownAfterMs / 3)),
      leaseMs: sequencer.state.ruleset.leaseMs,
      token: session.token,
      desired: desired.map(({ task, attempt }) => ({ task, attempt })),
    };
    session.connection.send(JSON.stringify(welcome));
    session.isOpen = true;
    this.#deps.clients.know(session.connection.address);
    this.#intakes.set(session, new ReportIntake(session, this.#deps));
    const offers = new OfferIntake(
      this.#budgetOf(session),
      () => this.#deps.now(),
      (offered) => {
        void this.#change(session, offered);
      },
    );
    this.#offers.set(session, offers);
    if (said !== hello) offers.push(hello);
    session.connection.onText = (text) => this.#read(session, text);
    for (const placement of desired) {
      placement.isKnown = session.named.has(`${placement.task}-${placement.attempt}`);
      if (!placement.isKnown) dispatcher.send(session, placement);
    }
  }

  #end(session: Session): void {
    const { sequencer, sessions } = this.#deps;
    // Its node comes back from there most likely, however long ago it came.
    if (session.isOpen) this.#deps.clients.know(session.connection.address);
    this.#intakes.delete(session);
    this.#offers.get(session)?.close();
    this.#offers.delete(session);
    sessions.end(session);
    // It was forgotten while its session was open, or never taken in.
    if (!sequencer.state.nodes.has(session.node)) sessions.forget(session.node);
  }

  #read(session: Session, text: string): void {
    const nowMs = this.#deps.now();
    const refusal = this.#take(session, text, nowMs);
    if (refusal !== undefined) session.connection.refuse(refusal);
    else session.contact.hear(nowMs);
  }

  #take(session: Session, text: string, nowMs: number): Refusal | undefined {
    if (!session.mayReceive(nowMs)) return rateLimited;
    // Given up since its hello, so it came too late. Only another hello brings it back; an acknowledgement would renew its lease.
    const node = this.#deps.sequencer.state.nodes.get(session.node);
    if (node === undefined || node.status === 'lost') return givenUp;
    const read = readSessionFrame(text);
    if (!read.ok) return read.refusal;
    const frame = read.value;
    const disorder = session.accept(frame);
    if (disorder !== undefined) return disorder;
    switch (frame.type) {
      case 'report':
        return this.#intakes.get(session)?.push(frame);
      case 'heartbeat':
        this.#beat(session, frame);
        return undefined;
      case 'offer':
        return this.#offer(session, node, frame);
    }
  }

  #offer(session: Session, node: NodeRecord, frame: OfferFrame): Refusal | undefined {
    const refusal = this.#deps.joins.growthRefusal(node, frame.offer);
    if (refusal === undefined) this.#offers.get(session)?.push(frame);
    return refusal;
  }

  #beat(session: Session, frame: HeartbeatFrame): void {
    session.heartbeat = Math.max(session.heartbeat, frame.n);
    for (const { task, attempt, doneBytes, totalBytes } of frame.pulls) {
      const placement = this.#deps.placements.get(task);
      if (placement?.node === session.node && placement.attempt === attempt)
        placement.pull = { attempt, doneBytes, totalBytes };
    }
    this.#deps.flushes.add(session);
  }

  async #change(session: Session, { offer, accepting }: Offered): Promise<void> {
    const { sequencer, logger } = this.#deps;
    const at = this.#deps.now();
    try {
      const { node } = session;
      const outcome = await sequencer.submit({ type: 'node.change_offer', at, node, offer, accepting });
      // Offers are not acknowledged: a session that could not bring its own has to begin anew, with its hello.
      if (!outcome.ok && errorCatalogue[outcome.refusal.code].retryable)
        session.connection.refuse(outcome.refusal);
    } catch (error) {
      logger.error({ err: error, node: session.node }, 'an offer could not be taken in');
    }
  }
}

const givenUp: Refusal = {
  code: 'session.idle',
  message: 'The node was given up: nothing was heard of it for longer than its lease.',
};
const noRoom: Refusal = {
  code: 'service.overloaded',
  message: 'The coordinator has no room for another node.',
};
const ownerChanges: Refusal = {
  code: 'service.overloaded',
  message: 'The node changes its owner too often.',
  hint: 'Connect again later.',
};
const rateLimited: Refusal = { code: 'frame.rate_limited', message: 'Too many frames in a short time.' };
