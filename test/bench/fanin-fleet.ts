import type { ChallengeFrame, CoordinatorFrame, HelloFrame } from '@capacloud/protocol/wire/frames';
import { sessionPath } from '@capacloud/protocol/wire/frames';
import {
  createHello,
  createIdentity,
  createSessionKey,
  resumingHello,
} from '@capacloud/rig/network/agent-keys';
import { WebSocket } from 'ws';

/**
 * Child process of the fan-in benchmark: thousands of agents that only connect and beat, with real keys, or bare
 * sockets that send the same heartbeats. `connect` (again) and `beat` come as messages, and are answered with the time taken.
 */
export type FleetRequest =
  | { readonly type: 'connect'; readonly url: string }
  | { readonly type: 'beat'; readonly rounds: number };
export interface FleetAnswer {
  readonly ms: number;
}

const atOnce = 400;
/** Many machines do not share an address: the bounds by address are for those that do. */
const sourceAddresses = 40;
/** Between measurements each agent beats about so often, so that none is taken for gone. */
const idleBeatMs = 5000;
const idleSlices = 50;

const [mode = '', countText = '0'] = process.argv.slice(2);

class Beater {
  readonly #index: number;
  readonly #identity = mode === 'agents' ? createIdentity() : undefined;
  readonly #key = createSessionKey();
  #hello: HelloFrame | undefined;
  #socket: WebSocket | undefined;
  #sent = 0;
  #received = 0;
  #beats = 0;
  #onAck = () => {};
  #onLost: (error: Error) => void = () => {};
  /** Nothing may be sent before the welcome. */
  isOpen = false;

  constructor(index: number) {
    this.#index = index;
  }

  connect(url: string): Promise<void> {
    const socket = new WebSocket(`${url.replace(/^http/, 'ws')}${sessionPath}`, {
      perMessageDeflate: false,
      skipUTF8Validation: true,
      localAddress: `127.0.0.${2 + (this.#index % sourceAddresses)}`,
    });
    this.#socket = socket;
    this.#sent = 0;
    this.#received = 0;
    this.isOpen = false;
    return new Promise((accept, reject) => {
      const resolve = () => {
        this.isOpen = true;
        accept();
      };
      socket.on('error', reject);
      socket.on('close', (code) => {
        if (this.#socket === socket) this.isOpen = false;
        const error = new Error(`closed with ${code}`);
        reject(error);
        if (this.#socket === socket) this.#onLost(error);
      });
      if (this.#identity === undefined) socket.on('open', resolve);
      socket.on('message', (data) => {
        const frame = JSON.parse((data as Buffer).toString('utf8')) as CoordinatorFrame;
        if (frame.type === 'challenge') this.#greet(frame).catch(reject);
        else if (frame.type === 'welcome') resolve();
        else if (frame.type === 'refusal') reject(new Error(`refused: ${frame.code} ${frame.message}`));
        else if (frame.type === 'ack') {
          this.#received = frame.seq;
          this.#onAck();
        }
      });
    });
  }

  beat(): Promise<void> {
    const acked = new Promise<void>((resolve, reject) => {
      this.#onAck = resolve;
      this.#onLost = reject;
    });
    this.#sent += 1;
    this.#beats += 1;
    const load = { cpuMilli: 1250, memoryFreeBytes: 12 * 2 ** 30, diskFreeBytes: 90 * 2 ** 30 };
    const frame = {
      type: 'heartbeat',
      seq: this.#sent,
      ack: this.#received,
      n: this.#beats,
      load,
      pulls: [],
    };
    this.#socket?.send(JSON.stringify(frame));
    return acked;
  }

  async #greet(challenge: ChallengeFrame): Promise<void> {
    if (this.#identity === undefined) return;
    if (this.#hello === undefined)
      this.#hello = await createHello(challenge, this.#identity, this.#key, { protocols: [2, 1] });
    else this.#hello = resumingHello(challenge, this.#hello, this.#key);
    this.#socket?.send(JSON.stringify(this.#hello));
  }
}

const beaters = Array.from({ length: Number(countText) }, (_, index) => new Beater(index));
let isMeasuring = false;
let slice = 0;

setInterval(() => {
  slice = (slice + 1) % idleSlices;
  if (isMeasuring) return;
  for (let i = slice; i < beaters.length; i += idleSlices) {
    const beater = beaters[i];
    // The coordinator is killed at times.
    if (beater?.isOpen === true) beater.beat().catch(() => undefined);
  }
}, idleBeatMs / idleSlices);

async function connectAll(url: string): Promise<void> {
  let next = 0;
  const worker = async () => {
    for (let index = next++; index < beaters.length; index = next++) await beaters[index]?.connect(url);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

async function beatAll(rounds: number): Promise<void> {
  isMeasuring = true;
  for (let round = 0; round < rounds; round++) await Promise.all(beaters.map((beater) => beater.beat()));
  isMeasuring = false;
}

process.on('message', (request: FleetRequest) => {
  const started = performance.now();
  const work = request.type === 'connect' ? connectAll(request.url) : beatAll(request.rounds);
  work.then(
    () => process.send?.({ ms: performance.now() - started } satisfies FleetAnswer),
    (error: unknown) => {
      process.stderr.write(`fleet: ${String(error)}\n`);
      process.exit(1);
    },
  );
});
process.on('disconnect', () => process.exit(0));
