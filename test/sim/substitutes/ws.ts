import { Buffer } from 'node:buffer';
import { EventEmitter } from 'node:events';
import type { Actor } from '../kernel/actor.ts';
import { kernel } from '../kernel/kernel.ts';
import type { Channel, Direction, End, Message } from '../kernel/network.ts';
import { servers } from '../kernel/servers.ts';

/** In the place of ws: whole texts over simulated connections, with the same closing handshake. */
export class WebSocket extends EventEmitter implements End {
  static readonly CONNECTING = 0;
  static readonly OPEN = 1;
  static readonly CLOSING = 2;
  static readonly CLOSED = 3;
  readonly actor: Actor = kernel().current;
  readyState: number = WebSocket.CONNECTING;
  #channel: Channel | undefined;
  #out: Direction = 'up';
  #isPaused = false;
  #closeTimeoutMs = 30_000;
  #sentCode = 1006;
  readonly #unread: Message[] = [];

  /** With an address it dials from the present process; without, it is the other end of a connection. */
  constructor(url?: string) {
    super();
    if (url !== undefined) this.#dial();
  }

  #dial(): void {
    const link = servers().linkOf(this.actor);
    const { network } = servers();
    const listener = servers().listener();
    if (link.blocked.up || link.blocked.down) return this.#failDial('ETIMEDOUT', 3000);
    if (listener === undefined) return this.#failDial('ECONNREFUSED', network.latency());
    const channel = servers().openChannel(link);
    this.#channel = channel;
    channel.attach('down', this);
    kernel().schedule(network.latency(), listener.actor, `dial ${link.name}`, () => {
      listener.server.emit(
        'upgrade',
        upgradeRequest(link.name),
        new UpgradedSocket(channel),
        Buffer.alloc(0),
      );
    });
    listener.actor.onEnd(() => {
      if (this.readyState === WebSocket.CONNECTING) this.#failDial('ECONNRESET', network.latency());
    });
  }

  /** The coordinator's end. */
  static accept(channel: Channel, socket: UpgradedSocket, closeTimeoutMs: number): WebSocket {
    const ws = new WebSocket();
    ws.#channel = channel;
    ws.#out = 'down';
    ws.#closeTimeoutMs = closeTimeoutMs;
    ws.readyState = WebSocket.OPEN;
    ws.once('close', () => socket.emit('close'));
    channel.attach('up', ws);
    return ws;
  }

  get bufferedAmount(): number {
    return this.#channel?.bufferedBytes(this.#out) ?? 0;
  }

  send(text: string): void {
    if (this.readyState !== WebSocket.OPEN) {
      if (this.readyState === WebSocket.CONNECTING) throw new Error('WebSocket is not open');
      return;
    }
    this.actor.effect();
    if (this.#channel === undefined) return;
    if (this.#out === 'down') servers().tap.said(this.#channel, text);
    this.#channel.send(this.#out, { kind: 'text', text });
  }

  pong(): void {}
  pause(): void {
    this.#isPaused = true;
  }
  resume(): void {
    this.#isPaused = false;
    for (const message of this.#unread.splice(0)) this.receive(message);
  }

  close(code = 1005, reason = ''): void {
    if (this.readyState === WebSocket.CONNECTING) return this.terminate();
    if (this.readyState !== WebSocket.OPEN) return;
    this.actor.effect();
    this.readyState = WebSocket.CLOSING;
    this.#sentCode = code;
    this.#channel?.send(this.#out, { kind: 'close', code, reason });
    kernel().schedule(this.#closeTimeoutMs, this.actor, 'close timeout', () => this.terminate());
  }

  terminate(): void {
    if (this.readyState === WebSocket.CLOSED) return;
    this.#channel?.reset(this.#out);
    this.#ended(1006, '');
  }

  broken(): void {
    this.#ended(1006, '');
  }

  receive(message: Message): void {
    if (this.readyState === WebSocket.CLOSED) return;
    if (this.#isPaused) {
      this.#unread.push(message);
      return;
    }
    switch (message.kind) {
      case 'text':
        if (this.readyState !== WebSocket.OPEN) return;
        if (this.#out === 'down' && this.#channel !== undefined)
          servers().tap.heard(this.#channel, message.text);
        this.emit('message', Buffer.from(message.text), false);
        return;
      case 'close':
        // Both ends that close at once have each other's word already.
        if (this.readyState === WebSocket.OPEN) this.#channel?.send(this.#out, { kind: 'closed' });
        this.#ended(message.code, message.reason);
        return;
      case 'closed':
        this.#ended(this.#sentCode, '');
        return;
      case 'opened':
        if (this.readyState !== WebSocket.CONNECTING) return;
        this.readyState = WebSocket.OPEN;
        this.emit('open');
        return;
      case 'refused':
        this.#failDial(`Unexpected server response: ${message.status}`, 0);
        return;
    }
  }

  #failDial(why: string, afterMs: number): void {
    kernel().schedule(afterMs, this.actor, `dial failed ${why}`, () => {
      if (this.readyState !== WebSocket.CONNECTING) return;
      this.emit('error', new Error(why));
      this.#ended(1006, '');
    });
  }

  #ended(code: number, reason: string): void {
    if (this.readyState === WebSocket.CLOSED) return;
    this.readyState = WebSocket.CLOSED;
    if (this.#out === 'down') this.#channel?.close();
    kernel().schedule(0, this.actor, `closed ${code}`, () => {
      this.emit('close', code, Buffer.from(reason));
    });
  }
}

function upgradeRequest(from: string): object {
  return { url: '/v1/session', headers: {}, socket: { remoteAddress: from } };
}

/** What an upgrade request comes with. */
class UpgradedSocket extends EventEmitter {
  readonly channel: Channel;

  constructor(channel: Channel) {
    super();
    this.channel = channel;
  }
  cork(): void {}
  uncork(): void {}
  /** A refusal over plain HTTP. */
  end(answer: string): void {
    const { channel } = this;
    channel.refuse(Number(answer.split(' ')[1]));
    this.emit('close');
  }
  destroy(): void {}
}

export class WebSocketServer {
  readonly #closeTimeoutMs: number;

  constructor(options: { readonly closeTimeout?: number }) {
    this.#closeTimeoutMs = options.closeTimeout ?? 30_000;
  }

  handleUpgrade(
    _request: unknown,
    socket: UpgradedSocket,
    _head: unknown,
    done: (ws: WebSocket) => void,
  ): void {
    const { channel } = socket;
    const ws = WebSocket.accept(channel, socket, this.#closeTimeoutMs);
    channel.welcome();
    done(ws);
  }
}
