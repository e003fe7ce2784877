import type {
  ChallengeFrame,
  CoordinatorFrame,
  HelloFrame,
  WelcomeFrame,
} from '@capacloud/protocol/wire/frames';
import { sessionPath } from '@capacloud/protocol/wire/frames';
import { WebSocket } from 'ws';
import { createHello, createSessionKey, type Identity, type SessionKey } from './agent-keys.ts';

export interface Ending {
  /** WebSocket close code; 0 where there never was a WebSocket. */
  readonly code: number;
  /** Code of the refusal frame that came before it, or of the HTTP problem. */
  readonly refusal: string | undefined;
}

/** A client that says whatever it is told to, and remembers what it was told. */
export class RawPeer {
  readonly socket: WebSocket;
  readonly frames: CoordinatorFrame[] = [];
  readonly ended: Promise<Ending>;
  readonly key: SessionKey = createSessionKey();
  #waiting: { readonly type: string; readonly resolve: (frame: CoordinatorFrame) => void } | undefined;

  /** `forwardedFor`: as a reverse proxy in front of the coordinator tells of its client. */
  constructor(url: string, forwardedFor?: string) {
    this.socket = new WebSocket(`${url.replace(/^http/, 'ws')}${sessionPath}`, {
      perMessageDeflate: false,
      closeTimeout: 1000,
      headers: forwardedFor === undefined ? {} : { 'x-forwarded-for': forwardedFor },
    } as WebSocket.ClientOptions);
    let refusal: string | undefined;
    this.ended = new Promise((resolve) => {
      this.socket.on('unexpected-response', (_, response) => {
        let body = '';
        response.on('data', (chunk: Buffer) => {
          body += chunk.toString('utf8');
        });
        response.on('end', () => resolve({ code: 0, refusal: (JSON.parse(body) as { code: string }).code }));
      });
      this.socket.on('close', (code) => resolve({ code, refusal }));
    });
    // A connection that is cut is an ending too; its code tells.
    this.socket.on('error', () => {});
    this.socket.on('message', (data) => {
      const frame = JSON.parse((data as Buffer).toString('utf8')) as CoordinatorFrame;
      if (frame.type === 'refusal') refusal = frame.code;
      this.frames.push(frame);
      if (this.#waiting?.type === frame.type) this.#waiting.resolve(frame);
    });
  }

  /** The first frame of this type, which may have come already. Rejects when the connection ends without it. */
  async next<T extends CoordinatorFrame>(type: T['type']): Promise<T> {
    const known = this.frames.find((frame) => frame.type === type);
    if (known !== undefined) return known as T;
    const coming = new Promise<CoordinatorFrame>((resolve) => {
      this.#waiting = { type, resolve };
    });
    const frame = await Promise.race([coming, this.ended]);
    if (!('type' in frame)) throw new Error(`no ${type}: closed with ${frame.code} ${frame.refusal ?? ''}`);
    return frame as T;
  }

  challenge(): Promise<ChallengeFrame> {
    return this.next<ChallengeFrame>('challenge');
  }

  send(value: unknown): void {
    this.socket.send(typeof value === 'string' || Buffer.isBuffer(value) ? value : JSON.stringify(value));
  }

  async hello(identity: Identity): Promise<HelloFrame> {
    return createHello(await this.challenge(), identity, this.key);
  }

  async open(identity: Identity): Promise<WelcomeFrame> {
    this.send(await this.hello(identity));
    return this.next<WelcomeFrame>('welcome');
  }
}
