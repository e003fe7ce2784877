import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Contact } from '@capacloud/core/command';
import type { ErrorCode } from '@capacloud/protocol/errors';
import { errorCatalogue } from '@capacloud/protocol/errors';
import { sessionPath, wireLimits } from '@capacloud/protocol/frames';
import type { NodeId } from '@capacloud/protocol/ids';
import type { Refusal } from '@capacloud/protocol/result';
import type { Logger } from 'pino';
import { type ServerOptions, WebSocketServer } from 'ws';
import type { ClientAddresses } from '../client-addresses.ts';
import type { JobSpecs } from '../job-specs.ts';
import type { ArtifactIndex } from '../ports/artifact-index.ts';
import type { LiveActivity } from '../ports/live-activity.ts';
import type { ReadStore } from '../ports/read-store.ts';
import type { Sequencer } from '../ports/sequencer.ts';
import type { SessionTokens } from '../ports/session-tokens.ts';
import { Admission } from './admission.ts';
import { AssignmentWriter } from './assignment-writer.ts';
import { Connection } from './connection.ts';
import { DelegationVerifier } from './delegation-verifier.ts';
import { Dispatcher } from './dispatcher.ts';
import { FlushQueue } from './flush-queue.ts';
import { defaultGatewayLimits, type GatewayLimits } from './gateway-limits.ts';
import { type HandshakeDeps, shakeHands } from './handshake.ts';
import { Placements } from './placements.ts';
import { ReceiptVerifier } from './receipt-verifier.ts';
import { RefusalCounts } from './refusal-counts.ts';
import { ReleaseWatch } from './release-watch.ts';
import { Resumption } from './resumption.ts';
import { SessionDesk } from './session-desk.ts';
import { SessionTable } from './session-table.ts';

export interface GatewayDeps {
  /** Its state holds nothing yet that is not durable. */
  readonly sequencer: Sequencer;
  readonly specs: Pick<JobSpecs, 'known' | 'get'>;
  readonly store: Pick<ReadStore, 'getNodeSession'>;
  /** What peers are counted by. */
  readonly clients: ClientAddresses;
  readonly artifacts: Pick<ArtifactIndex, 'checkpointOf' | 'get' | 'keepCheckpoint' | 'listRefs'>;
  readonly logger: Logger;
  readonly coordinator: string;
  readonly chainId: number;
  /** At least 32 random bytes as text; the same after a restart, or running attempts could not be finished. */
  readonly nonceSecret: string;
  /** Of one output; agents skip larger ones, because they could not be stored. */
  readonly maxFileBytes?: number;
  readonly limits?: Partial<GatewayLimits>;
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
  readonly #admission: Admission;
  readonly #verifier: DelegationVerifier;
  readonly #receipts = new ReceiptVerifier();
  readonly #sessions = new SessionTable();
  readonly #dispatcher: Dispatcher;
  readonly #desk: SessionDesk;
  readonly #releases: ReleaseWatch;
  readonly #handshake: HandshakeDeps;
  readonly #sockets: WebSocketServer;
  readonly #connections = new Set<Connection>();
  readonly #unfollow: () => void;
  #sweeper: NodeJS.Timeout | undefined;
  #releaseSweeper: NodeJS.Timeout | undefined;
  #isDraining = false;
  #onEmpty: () => void = () => {};

  constructor(deps: GatewayDeps) {
    const limits = { ...defaultGatewayLimits, ...deps.limits };
    const { sequencer, logger, nonceSecret } = deps;
    const now = () => deps.now();
    this.#deps = deps;
    this.#limits = limits;
    this.#admission = new Admission(limits.unauthenticated, limits.unauthenticatedPerAddress);
    this.#verifier = new DelegationVerifier(limits.verifierThreads, limits.unauthenticated);
    this.#handshake = {
      coordinator: deps.coordinator,
      chainId: deps.chainId,
      timeoutMs: limits.handshakeTimeoutMs,
      verifier: this.#verifier,
      resumption: new Resumption(deps.store, this.#sessions),
      logger,
      now,
    };
    const placements = new Placements();
    placements.restore(sequencer.state);
    for (const node of sequencer.state.nodes.keys()) this.#sessions.assumeHeard(node, now());
    const flushes = new FlushQueue();
    const { maxFileBytes } = deps;
    const writer = new AssignmentWriter(deps.specs, deps.artifacts, () => sequencer.state.ruleset, {
      secret: nonceSecret,
      ...(maxFileBytes === undefined ? {} : { maxFileBytes }),
    });
    this.#dispatcher = new Dispatcher(this.#sessions, placements, writer, flushes, logger, now);
    this.#desk = new SessionDesk({
      sequencer,
      artifacts: deps.artifacts,
      specs: deps.specs,
      sessions: this.#sessions,
      placements,
      verifier: this.#receipts,
      dispatcher: this.#dispatcher,
      flushes,
      counts: this.#counts,
      logger,
      limits,
      nonceSecret,
      reportsInFlight: limits.reportsInFlight,
      now,
    });
    this.#releases = new ReleaseWatch({
      nodes: () => sequencer.state.nodes.values(),
      placements,
      sessions: this.#sessions,
      releaseMs: limits.releaseMs,
    });
    this.#unfollow = sequencer.onCommitted((events) => placements.follow(events, this.#dispatcher));
    this.#sockets = new WebSocketServer(socketOptions(limits));
    this.tokens = this.#sessions;
    this.activity = { get: (task) => placements.get(task)?.pull };
  }

  /** Sessions of nodes, those that are still opening included. */
  get sessions(): number {
    return this.#sessions.size;
  }
  /** Sockets in their handshake. */
  get unauthenticated(): number {
    return this.#admission.total;
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
    server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
    this.#sweeper ??= setInterval(() => {
      this.#desk.closeIdle();
      this.#dispatcher.resendSilent(this.#limits.resendMs);
    }, sweepMs).unref();
    this.#releaseSweeper ??= setInterval(() => {
      this.#releases.sweep(this.#deps.now());
    }, this.#limits.releaseMs / 4).unref();
  }

  /** Takes nobody in any more, tells every peer, and resolves when the last socket is gone, by force on abort. */
  async drain(signal: AbortSignal): Promise<void> {
    this.#isDraining = true;
    clearInterval(this.#sweeper);
    clearInterval(this.#releaseSweeper);
    const empty = new Promise<void>((resolve) => {
      this.#onEmpty = resolve;
    });
    const cut = () => {
      for (const connection of this.#connections) connection.terminate();
    };
    signal.addEventListener('abort', cut, { once: true });
    for (const connection of this.#connections) connection.refuse(draining);
    if (signal.aborted) cut();
    if (this.#connections.size > 0) await empty;
    signal.removeEventListener('abort', cut);
    this.#unfollow();
    await Promise.all([this.#verifier.close(), this.#receipts.close()]);
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    // Node leaves the errors of an upgraded socket to us; the WebSocket's own handler comes later.
    const ignore = () => {};
    socket.on('error', ignore);
    const address = this.#deps.clients.of(request);
    const refusal = this.#turnAway(request);
    const leave = refusal === undefined ? this.#admission.enter(address) : undefined;
    if (leave === undefined) {
      const answer = refusal ?? { code: 'service.overloaded', message: 'Too many agents connect at once.' };
      this.#counts.add(answer.code);
      answerUpgrade(socket, answer);
      return;
    }
    socket.once('close', leave);
    // The answer to the upgrade and the challenge after it go out in one write: each costs as much as reading a frame.
    socket.cork();
    this.#sockets.handleUpgrade(request, socket, head, (ws) => {
      const connection = new Connection(ws, socket, address, this.#counts, () => this.#deps.now());
      this.#connections.add(connection);
      connection.onClosed = () => {
        this.#connections.delete(connection);
        if (this.#connections.size === 0) this.#onEmpty();
      };
      void this.#receive(connection, leave);
    });
    socket.uncork();
  }

  #turnAway(request: IncomingMessage): Refusal | undefined {
    if (request.url?.split('?', 1)[0] !== sessionPath)
      return { code: 'request.not_found', message: `Sessions open at ${sessionPath}.` };
    if (this.#isDraining) return draining;
    if (this.#sessions.size >= this.#limits.sessions)
      return { code: 'service.overloaded', message: 'The coordinator has no room for another node.' };
    return undefined;
  }

  async #receive(connection: Connection, leave: () => void): Promise<void> {
    try {
      const proven = await shakeHands(connection, this.#handshake);
      if (proven === undefined) return;
      leave();
      await this.#desk.open(connection, proven);
    } catch (error) {
      this.#deps.logger.error({ err: error }, 'a session could not be opened');
      connection.refuse({ code: 'service.internal', message: 'The session could not be opened.' });
    }
  }
}

/** `closeTimeout` is an option of ws that its types do not name yet. */
function socketOptions(limits: GatewayLimits): ServerOptions & { readonly closeTimeout: number } {
  return {
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    autoPong: false,
    maxPayload: wireLimits.frameBytes,
    maxFragments: 256,
    closeTimeout: limits.closeTimeoutMs,
  };
}

const draining: Refusal = { code: 'session.draining', message: 'The coordinator is restarting.' };

/** Refuses before there is a WebSocket: as any other HTTP request is refused. */
function answerUpgrade(socket: Duplex, { code, message }: Refusal): void {
  const { http, title, hint, retryable } = errorCatalogue[code];
  const body = JSON.stringify({
    type: 'about:blank',
    title,
    status: http,
    code,
    detail: message,
    hint,
    retryable,
  });
  socket.end(
    [
      `HTTP/1.1 ${http} ${title}`,
      'Connection: close',
      'Content-Type: application/problem+json',
      `Content-Length: ${Buffer.byteLength(body)}`,
      ...(retryable ? ['Retry-After: 1'] : []),
      '',
      body,
    ].join('\r\n'),
    () => socket.destroy(),
  );
}

/** Build is not listen: nothing happens until `attach`. */
export function createGateway(deps: GatewayDeps): Gateway {
  return new Gateway(deps);
}
