import type { Duplex } from 'node:stream';
import { errorCatalogue } from '@capacloud/protocol/catalogue/errors';
import type { Refusal } from '@capacloud/protocol/result';
import type { RefusalFrame } from '@capacloud/protocol/wire/frames';
import type { RawData, WebSocket } from 'ws';
import type { RefusalCounts } from './refusal-counts.ts';
import { TokenBucket } from './token-bucket.ts';

const pingsPerSecond = 2;
const pingsBurst = 50;

/**
 * One WebSocket. It hands on whole texts, refuses with a code and then closes, and never emits an error: what
 * the peer does wrong below our frames is counted and ends the connection too.
 */
export class Connection {
  /** What the peer is counted by; see client-addresses.ts. */
  readonly address: string;
  readonly #ws: WebSocket;
  readonly #socket: Duplex;
  readonly #counts: RefusalCounts;
  readonly #pings: TokenBucket;
  #open = true;
  /** Replaced as the connection goes from handshake to session. */
  onText: (text: string) => void = () => {};
  /** Once, when nothing more will be read or sent: after a refusal, or when the peer is gone. */
  onEnd: () => void = () => {};
  /** Once, right before that, for the table that it stands in. */
  onLeave: () => void = () => {};
  /** Once, when the socket itself is gone. */
  onClosed: () => void = () => {};

  constructor(ws: WebSocket, socket: Duplex, address: string, counts: RefusalCounts, now: () => number) {
    this.address = address;
    this.#ws = ws;
    this.#socket = socket;
    this.#counts = counts;
    this.#pings = new TokenBucket(pingsPerSecond, pingsBurst, now());
    ws.on('message', (data, isBinary) => this.#read(data, isBinary));
    ws.on('ping', (data) => this.#answerPing(data, now()));
    ws.on('error', (error) => this.#broken(error));
    ws.on('close', () => {
      this.#end();
      this.onClosed();
    });
  }

  get isOpen(): boolean {
    return this.#open;
  }
  get bufferedBytes(): number {
    return this.#ws.bufferedAmount;
  }

  send(text: string): void {
    if (this.#open) this.#ws.send(text);
  }

  /** Several sends inside become one write to the socket. */
  batch(sends: () => void): void {
    this.#socket.cork();
    sends();
    this.#socket.uncork();
  }

  pause(): void {
    this.#ws.pause();
  }
  resume(): void {
    this.#ws.resume();
  }

  /** Says why and closes; nothing that the peer sent later is read. */
  refuse(refusal: Refusal): void {
    if (!this.#open) return;
    const entry = errorCatalogue[refusal.code];
    this.#counts.add(refusal.code);
    const frame: RefusalFrame = {
      type: 'refusal',
      code: refusal.code,
      message: refusal.message.slice(0, 1000),
      hint: (refusal.hint ?? entry.hint).slice(0, 1000),
    };
    // A paused socket would never see the peer's close.
    this.#ws.resume();
    this.batch(() => {
      this.#ws.send(JSON.stringify(frame));
      this.#ws.close(entry.ws, refusal.code);
    });
    this.#end();
  }

  /** Says why and is gone, without waiting for the peer's word. */
  evict(refusal: Refusal): void {
    this.refuse(refusal);
    this.#ws.terminate();
  }

  /** Tells the size of each piece that arrives, whatever it is a part of, until the answer is called. */
  watchBytes(listener: (bytes: number) => void): () => void {
    const onData = (chunk: Buffer) => listener(chunk.length);
    this.#socket.on('data', onData);
    return () => this.#socket.off('data', onData);
  }

  terminate(): void {
    this.#ws.terminate();
  }

  #read(data: RawData, isBinary: boolean): void {
    if (!this.#open) return;
    if (isBinary) {
      this.refuse({ code: 'frame.malformed', message: 'Frames are text, this one was binary.' });
      return;
    }
    this.onText((data as Buffer).toString('utf8'));
  }

  /** Answered here and within bounds: a peer that pings and never reads would fill our memory with answers. */
  #answerPing(data: Buffer, nowMs: number): void {
    if (!this.#open) return;
    if (this.#pings.take(nowMs)) this.#ws.pong(data);
    else this.refuse({ code: 'frame.rate_limited', message: 'Too many pings in a short time.' });
  }

  /** ws has closed the connection by itself already, with the fitting code (1002, 1007, 1009). */
  #broken(error: Error & { readonly code?: string }): void {
    if (!this.#open) return;
    const isTooLarge = error.code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH';
    const isProtocol = error.code?.startsWith('WS_ERR_') === true;
    if (isProtocol) this.#counts.add(isTooLarge ? 'frame.too_large' : 'frame.malformed');
    this.#end();
  }

  #end(): void {
    if (!this.#open) return;
    this.#open = false;
    this.onLeave();
    this.onEnd();
  }
}
