import { connect, createServer, type Server, type Socket } from 'node:net';

/** Bytes that wait in one direction of one connection before its sender is made to wait. */
const maxWaitingBytes = 1024 ** 2;

/** Passes connections on, late, unevenly, or no longer. What it passes on stays whole and in order, as TCP does. */
export class RoughProxy {
  /** Each piece of data waits so long, and up to so much longer. */
  delayMs = 0;
  jitterMs = 0;
  /** Connections stay open, and nothing moves. */
  #stalled = false;
  readonly #server: Server;
  readonly #target: number;
  readonly #pipes = new Set<Pipe>();

  private constructor(target: number) {
    this.#target = target;
    this.#server = createServer({ pauseOnConnect: true }, (socket) => this.#accept(socket));
  }

  static async open(target: number): Promise<RoughProxy> {
    const proxy = new RoughProxy(target);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the proxy does not listen');
    return address.port;
  }

  stall(): void {
    this.#stalled = true;
  }

  resume(): void {
    this.#stalled = false;
    for (const pipe of this.#pipes) pipe.flush();
  }

  /** Resets every connection in the middle of whatever it carries. */
  cut(): void {
    for (const pipe of this.#pipes) pipe.reset();
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #accept(near: Socket): void {
    const far = connect(this.#target, '127.0.0.1');
    const pipe = new Pipe(near, far, () => ({
      stalled: this.#stalled,
      delayMs: this.delayMs + Math.random() * this.jitterMs,
    }));
    this.#pipes.add(pipe);
    pipe.onEnd = () => this.#pipes.delete(pipe);
    near.resume();
  }
}

interface Weather {
  readonly stalled: boolean;
  readonly delayMs: number;
}

class Pipe {
  onEnd: () => void = () => undefined;
  readonly #ways: readonly Way[];
  readonly #sockets: readonly Socket[];

  constructor(near: Socket, far: Socket, weather: () => Weather) {
    this.#sockets = [near, far];
    this.#ways = [new Way(near, far, weather), new Way(far, near, weather)];
    for (const socket of this.#sockets) {
      socket.setNoDelay(true);
      socket.on('error', () => this.reset());
      socket.on('close', () => {
        if (this.#sockets.every(({ destroyed }) => destroyed)) this.onEnd();
      });
    }
  }

  flush(): void {
    for (const way of this.#ways) way.flush();
  }

  reset(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
    this.onEnd();
  }
}

/** One direction of a connection: a queue of pieces, each with the moment at which it may go on. */
class Way {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #weather: () => Weather;
  #queue: { readonly piece: Buffer; readonly dueAt: number }[] = [];
  #waitingBytes = 0;
  #timer: NodeJS.Timeout | undefined;
  #ended = false;

  constructor(from: Socket, to: Socket, weather: () => Weather) {
    this.#from = from;
    this.#to = to;
    this.#weather = weather;
    from.on('data', (piece: Buffer) => this.#take(piece));
    from.on('close', () => {
      this.#ended = true;
      this.flush();
    });
  }

  /** Passes on what is due. */
  flush(): void {
    clearTimeout(this.#timer);
    if (this.#weather().stalled) return;
    const now = performance.now();
    while (this.#queue[0] !== undefined && this.#queue[0].dueAt <= now) {
      const { piece } = this.#queue[0];
      this.#queue.shift();
      this.#waitingBytes -= piece.length;
      if (!this.#to.destroyed) this.#to.write(piece);
    }
    if (this.#waitingBytes < maxWaitingBytes) this.#from.resume();
    const next = this.#queue[0];
    // What came before the end goes on first.
    if (next === undefined && this.#ended) this.#to.end();
    if (next !== undefined) this.#timer = setTimeout(() => this.flush(), Math.max(1, next.dueAt - now));
  }

  #take(piece: Buffer): void {
    const dueAt = Math.max(performance.now() + this.#weather().delayMs, this.#queue.at(-1)?.dueAt ?? 0);
    this.#queue.push({ piece, dueAt });
    this.#waitingBytes += piece.length;
    if (this.#waitingBytes >= maxWaitingBytes) this.#from.pause();
    this.flush();
  }
}
