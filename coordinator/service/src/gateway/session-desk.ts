import { randomBytes } from 'node:crypto';
import { errorCatalogue } from '@capacloud/protocol/catalogue/errors';
import { canonicalJson } from '@capacloud/protocol/log/canonical';
import type { Refusal } from '@capacloud/protocol/result';
import type { HeartbeatFrame, HelloFrame, WelcomeFrame } from '@capacloud/protocol/wire/frames';
import type { ClientAddresses } from '../client-addresses.ts';
import type { Acquaintance, GatewayQuestions, KnownNode } from '../ports/questions.ts';
import type { Committed, Outcome, Submitter } from '../ports/sequencer.ts';
import { BeatQueue } from './beat-queue.ts';
import type { Connection } from './connection.ts';
import type { Dispatcher } from './dispatcher.ts';
import { readSessionFrame } from './frame-reader.ts';
import type { GatewayLimits } from './gateway-limits.ts';
import type { Proven } from './handshake.ts';
import type { JoinGate } from './join-gate.ts';
import { type OfferBudget, type Offered, OfferIntake, offerWaitMs, spendOffer } from './offer-intake.ts';
import type { Rates } from './rates.ts';
import { type IntakeDeps, ReportIntake } from './report-intake.ts';
import type { GatewayRules } from './rules.ts';
import { Session } from './session.ts';
import { noRoom, type SessionRoom } from './session-room.ts';
import type { SessionTable } from './session-table.ts';

export interface DeskDeps extends IntakeDeps {
  readonly submitter: Pick<Submitter, 'submit'>;
  readonly committed: Pick<Committed, 'durable'>;
  readonly questions: Pick<GatewayQuestions, 'acquaintance' | 'consumerOfHeld' | 'knownNode'>;
  readonly rules: GatewayRules;
  readonly sessions: SessionTable;
  readonly room: SessionRoom;
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
  readonly #beats: BeatQueue;
  #number: number;

  constructor(deps: DeskDeps) {
    this.#deps = deps;
    this.#number = deps.now();
    this.#beats = new BeatQueue(
      deps.committed,
      (session, beat) => this.#acknowledge(session, beat),
      (session) => deps.flushes.add(session),
    );
  }

  /** Ends when the session has been welcomed or refused. */
  async open(connection: Connection, { checked, heardAt, hello }: Proven): Promise<void> {
    const { limits, questions, rates, sessions } = this.#deps;
    const session = new Session({
      number: ++this.#number,
      token: `ccs_${randomBytes(32).toString('base64url')}`,
      hello,
      protocol: checked.protocol,
      connection,
      limits,
      rates,
      nowMs: this.#deps.now(),
    });
    const { node } = session;
    const [acquaintance, known] = await Promise.all([
      questions.acquaintance(node),
      questions.knownNode(node),
    ]);
    const said = this.#offerOf(session, hello, known);
    if (said === undefined || !(await this.#deps.room.make(node, acquaintance.isProven))) {
      connection.refuse(said === undefined ? ownerChanges : noRoom);
      return;
    }
    // Nothing is waited for from here on until the session has its place.
    if (!connection.isOpen) return;
    // Others may have taken the places for which all of them asked in one group.
    if (!this.#deps.room.has(node)) return connection.refuse(noRoom);
    const leave = this.#admit(hello, connection, acquaintance, known);
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
    const outcome = await this.#connect(session, said, { checked, heardAt, hello });
    if (outcome.ok) session.membership = 'member';
    else if (session.membership === 'asked') session.membership = known === undefined ? 'stranger' : 'member';
    if (!outcome.ok) connection.refuse(outcome.refusal);
    if (!connection.isOpen) this.#forget(session);
    else this.#welcome(session, hello, said);
  }

  #connect(session: Session, said: Offered, { checked, heardAt, hello }: Proven): Promise<Outcome> {
    const { attempts: held, delegation, signature } = hello;
    const { node, provider } = session;
    const at = this.#deps.now();
    const row = { kind: 'session', node, delegation: JSON.stringify(delegation), signature } as const;
    const { accepting, offer } = said;
    return this.#deps.submitter.submit(
      { type: 'node.connect', at, node, provider, offer, accepting, held, saidAt: heardAt },
      // What is resumed was written when it was taken.
      () => (checked.resumes ? [] : [row]),
    );
  }

  #budgetOf({ rates, addressRates }: Session): OfferBudget {
    return { node: rates, address: addressRates, intervalMs: this.#deps.limits.offerIntervalMs };
  }

  /**
   * What the hello offers, as far as the rate of offers allows it; otherwise what the node offered last, and its news follow
   * as any other change. Undefined: they cannot follow, because another owner's come with the delegation alone.
   */
  #offerOf(session: Session, hello: HelloFrame, recorded: KnownNode | undefined): Offered | undefined {
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
  #admit(
    { offer }: HelloFrame,
    connection: Connection,
    { isProven, unproven }: Acquaintance,
    known: KnownNode | undefined,
  ): (() => void) | undefined {
    const { joins } = this.#deps;
    if (isProven) return () => {};
    const refusal =
      known === undefined ? joins.join(connection.address, unproven) : joins.growthRefusal(known, offer);
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
    const { placements, dispatcher, limits, rules } = this.#deps;
    const desired = [...placements.of(session.node)];
    const welcome: WelcomeFrame = {
      type: 'welcome',
      protocol: session.protocol,
      session: session.number,
      // Three chances before silence is noticed, however short the operator made that time.
      heartbeatMs: Math.min(limits.heartbeatMs, Math.ceil(rules.current.unknownAfterMs / 3)),
      leaseMs: rules.current.leaseMs,
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
    // Its node comes back from there most likely, however long ago it came.
    if (session.isOpen) this.#deps.clients.know(session.connection.address);
    this.#intakes.delete(session);
    this.#offers.get(session)?.close();
    this.#offers.delete(session);
    this.#deps.sessions.end(session);
    this.#forget(session);
  }

  /** When the node was heard is of no use where it was never taken in, was forgotten or is lost. */
  #forget({ membership, node }: Session): void {
    if (membership === 'lost' || membership === 'stranger') this.#deps.sessions.forget(node);
  }

  #read(session: Session, text: string): void {
    const nowMs = this.#deps.now();
    const refusal = this.#take(session, text, nowMs);
    if (refusal !== undefined) session.connection.refuse(refusal);
    else session.contact.hear(nowMs);
  }

  #take(session: Session, text: string, nowMs: number): Refusal | undefined {
    if (!session.mayReceive(nowMs)) return rateLimited;
    if (session.membership !== 'member') return givenUp;
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
        this.#offers.get(session)?.push(frame);
        return undefined;
    }
  }

  #beat(session: Session, frame: HeartbeatFrame): void {
    for (const { task, attempt, doneBytes, totalBytes } of frame.pulls) {
      const placement = this.#deps.placements.get(task);
      if (placement?.node === session.node && placement.attempt === attempt)
        placement.pull = { attempt, doneBytes, totalBytes };
    }
    this.#beats.add(session, frame.n);
  }

  /** A lost node is brought back by another hello alone: an acknowledgement would renew its lease. */
  #acknowledge(session: Session, beat: number): void {
    if (session.membership !== 'member') {
      session.connection.refuse(givenUp);
      return;
    }
    session.heartbeat = Math.max(session.heartbeat, beat);
    this.#deps.flushes.add(session);
  }

  async #change(session: Session, { offer, accepting }: Offered): Promise<void> {
    const { joins, logger, questions, submitter } = this.#deps;
    try {
      const { node } = session;
      const known = await questions.knownNode(node);
      const refusal = known === undefined ? givenUp : joins.growthRefusal(known, offer);
      if (refusal !== undefined) return session.connection.refuse(refusal);
      const at = this.#deps.now();
      const outcome = await submitter.submit({ type: 'node.change_offer', at, node, offer, accepting });
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
const ownerChanges: Refusal = {
  code: 'service.overloaded',
  message: 'The node changes its owner too often.',
  hint: 'Connect again later.',
};
const rateLimited: Refusal = { code: 'frame.rate_limited', message: 'Too many frames in a short time.' };
