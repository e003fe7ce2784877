import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { errorCatalogue } from '@capacloud/protocol/catalogue/errors';
import type { Refusal } from '@capacloud/protocol/result';
import { sessionPath, wireLimits } from '@capacloud/protocol/wire/frames';
import { type ServerOptions, WebSocketServer } from 'ws';
import type { ClientAddresses } from '../client-addresses.ts';
import { Connection } from './connection.ts';
import type { GatewayLimits } from './gateway-limits.ts';
import { type HandshakeDeps, type Proven, shakeHands } from './handshake.ts';
import { type Handshake, HandshakeTable } from './handshake-table.ts';
import type { RefusalCounts } from './refusal-counts.ts';

export interface DoorDeps {
  readonly limits: GatewayLimits;
  readonly clients: ClientAddresses;
  readonly counts: RefusalCounts;
  readonly handshake: HandshakeDeps;
  /** Ends when the session has been welcomed or refused. */
  open(connection: Connection, proven: Proven): Promise<void>;
}

/** Takes upgrade requests, sees their peers through the handshake, and keeps every socket within bounds until it is gone. */
export class SessionDoor {
  readonly #deps: DoorDeps;
  readonly #handshakes: HandshakeTable;
  readonly #sockets: WebSocketServer;
  readonly #connections = new Set<Connection>();
  /** Refused, and the peer has not closed its side yet; the oldest first. */
  readonly #closing = new Set<Connection>();
  #isDraining = false;
  #onEmpty: () => void = () => {};

  constructor(deps: DoorDeps) {
    this.#deps = deps;
    this.#handshakes = new HandshakeTable(deps.limits);
    this.#sockets = new WebSocketServer(socketOptions(deps.limits));
  }

  /** Sockets in their handshake. */
  get unauthenticated(): number {
    return this.#handshakes.total;
  }

  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    // Node leaves the errors of an upgraded socket to us; the WebSocket's own handler comes later.
    socket.on('error', () => {});
    const address = this.#deps.clients.of(request);
    let connection: Connection | undefined;
    const handshake: Handshake = {
      address,
      isKnown: this.#deps.clients.isKnown(address),
      onEvicted: () => connection?.evict(evicted),
    };
    const refusal = this.#turnAway(request) ?? (this.#handshakes.enter(handshake) ? undefined : overloaded);
    if (refusal !== undefined) {
      this.#deps.counts.add(refusal.code);
      answerUpgrade(socket, refusal);
      return;
    }
    const leave = () => this.#handshakes.leave(handshake);
    // A request that is no WebSocket's is answered and closed without a connection.
    socket.once('close', leave);
    // The answer to the upgrade and the challenge after it go out in one write: each costs as much as reading a frame.
    socket.cork();
    this.#sockets.handleUpgrade(request, socket, head, (ws) => {
      const { counts, handshake: deps } = this.#deps;
      connection = new Connection(ws, socket, address, counts, () => deps.now());
      this.#follow(connection, leave);
      void this.#receive(connection, handshake);
    });
    socket.uncork();
  }

  /** Takes nobody in any more, tells every peer, and resolves when the last socket is gone, by force on abort. */
  async drain(signal: AbortSignal): Promise<void> {
    this.#isDraining = true;
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
  }

  #turnAway(request: IncomingMessage): Refusal | undefined {
    if (request.url?.split('?', 1)[0] !== sessionPath)
      return { code: 'request.not_found', message: `Sessions open at ${sessionPath}.` };
    return this.#isDraining ? draining : undefined;
  }

  #follow(connection: Connection, leave: () => void): void {
    this.#connections.add(connection);
    connection.onLeave = () => {
      leave();
      this.#closing.add(connection);
      const [oldest] = this.#closing;
      // While we drain, everybody is told at once, and the drain has a limit of its own.
      if (this.#closing.size > this.#deps.limits.closing && !this.#isDraining) oldest?.terminate();
    };
    connection.onClosed = () => {
      this.#closing.delete(connection);
      this.#connections.delete(connection);
      if (this.#connections.size === 0) this.#onEmpty();
    };
  }

  async #receive(connection: Connection, handshake: Handshake): Promise<void> {
    const { handshake: deps } = this.#deps;
    const stage = {
      from: { address: connection.address, isKnown: handshake.isKnown },
      receive: (bytes: number) => this.#handshakes.receive(handshake, bytes),
      hear: () => this.#handshakes.hear(handshake),
    };
    try {
      const proven = await shakeHands(connection, stage, deps);
      if (proven === undefined) return;
      this.#handshakes.leave(handshake);
      await this.#deps.open(connection, proven);
    } catch (error) {
      deps.logger.error({ err: error }, 'a session could not be opened');
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
const overloaded: Refusal = { code: 'service.overloaded', message: 'Too many agents connect at once.' };
const evicted: Refusal = {
  code: 'service.overloaded',
  message: 'Too many agents connect at once, and this connection had said nothing for longest.',
};

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
