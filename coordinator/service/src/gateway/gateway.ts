import type { Server } from 'node:http';
import type { Contact } from '@capacloud/core/contract/command';
import type { ErrorCode } from '@capacloud/protocol/catalogue/errors';
import type { NodeId } from '@capacloud/protocol/ids';
import type { Logger } from 'pino';
import type { ClientAddresses } from '../client-addresses.ts';
import type { JobSpecs } from '../job-specs.ts';
import type { ArtifactIndex } from '../ports/artifact-index.ts';
import type { LiveActivity } from '../ports/live-activity.ts';
import type { GatewayQuestions, Standing } from '../ports/questions.ts';
import type { ReadStore } from '../ports/read-store.ts';
import type { Committed, CommittedEvent, Submitter } from '../ports/sequencer.ts';
import type { SessionTokens } from '../ports/session-tokens.ts';
import { AssignmentWriter } from './assignment-writer.ts';
import { DelegationVerifier } from './delegation-verifier.ts';
import { Dispatcher } from './dispatcher.ts';
import { FlushQueue } from './flush-queue.ts';
import { defaultGatewayLimits, type GatewayLimits } from './gateway-limits.ts';
import type { HandshakeDeps } from './handshake.ts';
import { heapGauge } from './heap-share.ts';
import { JoinGate } from './join-gate.ts';
import { Placements } from './placements.ts';
import { Rates } from './rates.ts';
import { ReceiptVerifier } from './receipt-verifier.ts';
import { RefusalCounts } from './refusal-counts.ts';
import { ReleaseWatch } from './release-watch.ts';
import { Resumption } from './resumption.ts';
import type { GatewayRules } from './rules.ts';
import { SessionDesk } from './session-desk.ts';
import { SessionDoor } from './session-door.ts';
import { SessionRoom } from './session-room.ts';
import { SessionTable } from './session-table.ts';

export interface GatewayDeps {
  readonly submitter: Pick<Submitter, 'submit'>;
  readonly committed: Committed;
  readonly questions: GatewayQuestions;
  readonly specs: Pick<JobSpecs, 'known' | 'get'>;
  readonly store: Pick<ReadStore, 'getNodeSession'>;
  /** What peers are counted by. */
  readonly clients: ClientAddresses;
  readonly artifacts: Pick<ArtifactIndex, 'checkpointOf' | 'get' | 'hasBrought' | 'keepCheckpoint'>;
  readonly logger: Logger;
  readonly coordinator: string;
  readonly chainId: number;
  /** At least 32 random bytes as text; the same after a restart, or running attempts could not be finished. */
  readonly nonceSecret: string;
  /** Of one output; agents skip larger ones, because they could not be stored. */
  readonly maxFileBytes?: number;
  readonly limits?: Partial<GatewayLimits>;
  /** Share of the heap that is used. Default: of this process. */
  readonly heapShare?: () => number;
  /** Unix milliseconds. */
  now(): number;
}

const sweepMs = 1000;

/** The agents' door: WebSocket sessions in, commands to the sequencer, committed events back out. */
export class Gateway {
  readonly tokens: SessionTokens;
  readonly activity: LiveActivity;
  readonly #deps: GatewayDeps;
  readonly #limits: GatewayLimits;
  readonly #counts = new RefusalCounts();
  readonly #verifier: DelegationVerifier;
  readonly #receipts = new ReceiptVerifier();
  readonly #sessions = new SessionTable();
  readonly #dispatcher: Dispatcher;
  readonly #desk: SessionDesk;
  readonly #door: SessionDoor;
  readonly #releases: ReleaseWatch;
  readonly #unfollow: () => void;
  #sweeper: NodeJS.Timeout | undefined;
  #releaseSweeper: NodeJS.Timeout | undefined;

  /** `standing` is where the log stood, and `follow` takes a listener to what was committed since. */
  constructor(deps: GatewayDeps, standing: Standing, follow: Follow) {
    const limits = { ...defaultGatewayLimits, ...deps.limits };
    const { committed, logger, nonceSecret, questions, submitter } = deps;
    const now = () => deps.now();
    this.#deps = deps;
    this.#limits = limits;
    const joins = new JoinGate({ limits, heapShare: deps.heapShare ?? heapGauge(), now });
    this.#verifier = new DelegationVerifier(limits.verifierThreads, limits.unverified);
    const placements = new Placements();
    // guard: remember what runs over a restart
    placements.restore(standing.desired);
    // guard: blame nobody for our own silence
    for (const node of standing.nodes) this.#sessions.assumeHeard(node, now());
    const rules = { current: standing.ruleset };
    const rates = new Rates(limits, now);
    const [sessions, counts] = [this.#sessions, this.#counts];
    const own = { counts, flushes: new FlushQueue(), joins, limits, now, placements, rates, rules, sessions };
    this.#dispatcher = new Dispatcher({ ...own, logger, writer: assignmentWriter(deps, rules) });
    const room = new SessionRoom({ ...own, questions });
    this.#desk = new SessionDesk({
      ...own,
      artifacts: deps.artifacts,
      clients: deps.clients,
      committed,
      dispatcher: this.#dispatcher,
      logger,
      nonceSecret,
      questions,
      reportItemsInFlight: limits.reportItemsInFlight,
      reportsInFlight: limits.reportsInFlight,
      room,
      specs: deps.specs,
      submitter,
      verifier: this.#receipts,
    });
    this.#door = new SessionDoor({
      limits,
      clients: deps.clients,
      counts: this.#counts,
      handshake: {
        coordinator: deps.coordinator,
        chainId: deps.chainId,
        timeoutMs: limits.handshakeTimeoutMs,
        verifier: this.#verifier,
        resumption: new Resumption(deps.store, this.#sessions),
        refusalOf: refusals(questions, joins, room),
        rates,
        logger,
        now,
      },
      open: (connection, proven) => this.#desk.open(connection, proven),
    });
    this.#releases = new ReleaseWatch({
      unreleased: () => questions.unreleased(),
      sessions: this.#sessions,
      releaseMs: limits.releaseMs,
    });
    this.#unfollow = follow((events) => placements.follow(events, this.#dispatcher));
    this.tokens = this.#sessions;
    this.activity = { get: (task) => placements.get(task)?.pull };
  }

  /** Sessions of nodes, those that are still opening included. */
  get sessions(): number {
    return this.#sessions.size;
  }
  /** Sockets in their handshake. */
  get unauthenticated(): number {
    return this.#door.unauthenticated;
  }
  /** Refusals by code since the start. */
  get refusals(): ReadonlyMap<ErrorCode, number> {
    return this.#counts.byCode;
  }

  /** When each live node was last heard, for the sequencer's tick. */
  heard(): ReadonlyMap<NodeId, Contact> {
    return this.#sessions.heard();
  }

  /** Answers upgrade requests of the server from now on. It may listen already. */
  attach(server: Server): void {
    server.on('upgrade', (request, socket, head) => this.#door.upgrade(request, socket, head));
    this.#sweeper ??= setInterval(() => {
      this.#desk.closeIdle();
      this.#dispatcher.resendSilent(this.#limits.resendMs);
    }, sweepMs).unref();
    this.#releaseSweeper ??= setInterval(() => {
      // guard: ask a node that never lets go
      void this.#releases.sweep(this.#deps.now());
    }, this.#limits.releaseMs / 4).unref();
  }

  /** Takes nobody in any more, tells every peer, and resolves when the last socket is gone, by force on abort. */
  async drain(signal: AbortSignal): Promise<void> {
    clearInterval(this.#sweeper);
    clearInterval(this.#releaseSweeper);
    await this.#door.drain(signal);
    this.#unfollow();
    await Promise.all([this.#verifier.close(), this.#receipts.close()]);
  }
}

function assignmentWriter(deps: GatewayDeps, rules: GatewayRules): AssignmentWriter {
  const { artifacts, maxFileBytes, nonceSecret: secret, specs } = deps;
  return new AssignmentWriter(specs, artifacts, () => rules.current, {
    secret,
    ...(maxFileBytes === undefined ? {} : { maxFileBytes }),
  });
}

/** Why a node is refused whatever it proves. */
function refusals(
  questions: Pick<GatewayQuestions, 'acquaintance'>,
  joins: JoinGate,
  room: SessionRoom,
): HandshakeDeps['refusalOf'] {
  return async (node, address) => {
    const { isKnown, isProven, unproven } = await questions.acquaintance(node);
    const refusal = isKnown ? undefined : joins.refusal(address, unproven);
    return refusal ?? room.turnAway(node, isProven);
  };
}

type Follow = (listener: (events: readonly CommittedEvent[]) => void) => () => void;

/** Asks where the log stands, and listens to nothing until `attach`. What is committed while it asks is told afterwards. */
export async function openGateway(deps: GatewayDeps): Promise<Gateway> {
  const early: CommittedEvent[] = [];
  let tell = (events: readonly CommittedEvent[]): void => {
    early.push(...events);
  };
  const unfollow = deps.committed.onCommitted((events) => tell(events));
  const standing = await deps.questions.standing();
  return new Gateway(deps, standing, (listener) => {
    listener(early.filter(({ index }) => index >= standing.size));
    tell = listener;
    return unfollow;
  });
}
