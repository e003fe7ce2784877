import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { ClientAddresses } from '../client-addresses.ts';
import { type Place, Places } from '../places.ts';

export interface ConnectionBounds {
  /** Sockets of all kinds, sessions of agents included. */
  readonly connections: number;
  /** Of one address, as long as they speak HTTP. */
  readonly connectionsPerAddress: number;
  /** Of all, so many of known addresses that strangers cannot push out. */
  readonly connectionsKnown: number;
}

export const defaultConnectionBounds: ConnectionBounds = {
  connections: 49_152,
  connectionsPerAddress: 1024,
  connectionsKnown: 8192,
};

interface Guarded extends Place {
  readonly socket: Socket;
}

/**
 * Bounds the sockets of the server. One makes room for a newer one while it has no request, or has not sent it to the end:
 * slow headers, slow bodies and idle connections cost their sender and nobody else. One that waits for our answer stays.
 */
export class ConnectionGuard {
  readonly #clients: ClientAddresses;
  readonly #places: Places<Guarded>;
  readonly #bySocket = new WeakMap<Duplex, Guarded>();

  constructor(clients: ClientAddresses, bounds: ConnectionBounds) {
    this.#clients = clients;
    this.#places = new Places(
      {
        total: bounds.connections,
        perAddress: bounds.connectionsPerAddress,
        known: bounds.connectionsKnown,
      },
      ({ socket }) => socket.destroy(),
    );
  }

  get total(): number {
    return this.#places.total;
  }

  watch(server: Server): void {
    server.prependListener('connection', (socket: Socket) => this.#enter(socket));
    server.prependListener('request', (request: IncomingMessage, response: ServerResponse) =>
      this.#follow(request, response),
    );
  }

  /** The socket is no HTTP connection any more: whoever has it now bounds it by address. */
  handOver(socket: Duplex): void {
    const guarded = this.#bySocket.get(socket);
    if (guarded !== undefined) this.#places.promote(guarded);
  }

  #enter(socket: Socket): void {
    const address = this.#clients.of({ socket, headers: {} });
    const isProxy = this.#clients.isProxy(socket.remoteAddress);
    const guarded: Guarded = {
      socket,
      // A proxy bounds its own clients; all of them together are bounded here.
      address: isProxy ? undefined : address,
      isKnown: isProxy || this.#clients.isKnown(address),
    };
    if (!this.#places.enter(guarded)) {
      socket.destroy();
      return;
    }
    this.#bySocket.set(socket, guarded);
    socket.once('close', () => this.#places.leave(guarded));
  }

  #follow(request: IncomingMessage, response: ServerResponse): void {
    const guarded = this.#bySocket.get(request.socket);
    if (guarded === undefined) return;
    // It has just brought a request, so it is the last to make room.
    this.#places.rest(guarded);
    let isAnswered = false;
    const hold = () => {
      if (!isAnswered) this.#places.hold(guarded);
    };
    if (hasBody(request)) request.once('end', hold);
    else hold();
    response.once('close', () => {
      isAnswered = true;
      this.#places.rest(guarded);
    });
  }
}

/** Nobody reads to the end what is empty, so its `end` would come with the answer. */
function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

/** What is left for sockets of the files that this process may open: the log and the artifacts need some as well. */
export function connectionsOf(openFiles: number): number {
  return Math.min(defaultConnectionBounds.connections, Math.max(openFiles - 1024, Math.floor(openFiles / 2)));
}
