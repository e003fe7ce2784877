import type { Actor, HeapEvent } from './actor.ts';
import { kernel } from './kernel.ts';
import { hashText, type Prng } from './prng.ts';

export type Message =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'close'; readonly code: number; readonly reason: string }
  | { readonly kind: 'closed' }
  /** The answer to the upgrade: yes, or an HTTP status. */
  | { readonly kind: 'opened' }
  | { readonly kind: 'refused'; readonly status: number };

/** One end of a connection: a socket of one process. */
export interface End {
  readonly actor: Actor;
  receive(message: Message): void;
  /** The connection is gone without a word. */
  broken(): void;
}

export type Direction = 'up' | 'down';

/** What the network does of itself to frames; 0 where it behaves. */
export interface WireFaults {
  /** Of a frame: the connection breaks before it arrives. */
  cut: number;
  /** Of a frame: it and all after it vanish, and nobody is told. */
  vanish: number;
  /** Of a frame: it comes twice. */
  repeat: number;
  /** Of a frame: it and what follows it wait for up to this long. */
  delay: number;
  delayMs: number;
  /** Of a frame with a receipt: somebody on the way makes another of it. */
  forge: number;
}

interface Flow {
  lastArrivalMs: number;
  isSilent: boolean;
  /** Bytes that were sent and have not arrived. */
  bytes: number;
  readonly held: (() => void)[];
}

/** The way between one machine and the coordinator; a partition stops one direction of it or both. */
export class Link {
  readonly name: string;
  readonly blocked: Record<Direction, boolean> = { up: false, down: false };
  readonly channels = new Set<Channel>();

  constructor(name: string) {
    this.name = name;
  }

  block(direction: Direction): void {
    this.blocked[direction] = true;
  }

  heal(direction: Direction): void {
    this.blocked[direction] = false;
    for (const channel of this.channels) channel.release(direction);
  }
}

const latencyMs = 0.4;

/** What the whole network shares. */
export class Network {
  readonly random: Prng;
  readonly faults: WireFaults = { cut: 0, vanish: 0, repeat: 0, delay: 0, delayMs: 0, forge: 0 };
  /** Another text in place of one that goes up; undefined where it cannot be made into one. */
  forge: (text: string) => string | undefined = () => undefined;
  readonly counts: Record<string, number> = {};

  constructor(random: Prng) {
    this.random = random;
  }

  count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }

  latency(): number {
    return latencyMs + this.random.exponential(0.6);
  }
}

/** One TCP connection: bytes in order or not at all. Up is towards the coordinator. */
export class Channel {
  readonly id: number;
  readonly link: Link;
  readonly #network: Network;
  readonly #flows: Record<Direction, Flow> = { up: newFlow(), down: newFlow() };
  readonly #ends: Record<Direction, End | undefined> = { up: undefined, down: undefined };
  #isOpen = true;

  constructor(network: Network, link: Link, id: number) {
    this.#network = network;
    this.link = link;
    this.id = id;
    link.channels.add(this);
  }

  /** `end` receives what goes in this direction. When its process ends, the kernel of its machine resets the connection. */
  attach(direction: Direction, end: End): void {
    this.#ends[direction] = end;
    end.actor.onEnd((cause) => {
      if (cause === 'power') this.#flows[direction].isSilent = true;
      else this.reset(direction === 'up' ? 'down' : 'up');
    });
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  bufferedBytes(direction: Direction): number {
    return this.#flows[direction].bytes;
  }

  send(direction: Direction, sent: Message): void {
    const flow = this.#flows[direction];
    const message = direction === 'up' ? this.#meddle(sent) : sent;
    if (!this.#isOpen || flow.isSilent) return;
    const { faults, random } = this.#network;
    if (message.kind === 'text') {
      flow.bytes += message.text.length;
      if (faults.cut > 0 && random.chance(faults.cut)) return this.#cut();
      if (faults.vanish > 0 && random.chance(faults.vanish)) {
        this.#network.count('connection went silent');
        flow.isSilent = true;
        return;
      }
      if (faults.delay > 0 && random.chance(faults.delay)) {
        this.#network.count('frames delayed');
        flow.lastArrivalMs = Math.max(flow.lastArrivalMs, kernel().nowMs) + random.between(0, faults.delayMs);
      }
    }
    const times = faults.repeat > 0 && message.kind === 'text' && random.chance(faults.repeat) ? 2 : 1;
    if (times === 2) this.#network.count('frame repeated');
    for (let i = 0; i < times; i++) this.#carry(direction, message);
  }

  #meddle(message: Message): Message {
    const { faults, random, forge } = this.#network;
    if (message.kind !== 'text' || faults.forge === 0 || !random.chance(faults.forge)) return message;
    const text = forge(message.text);
    if (text === undefined) return message;
    this.#network.count('receipt forged');
    return { kind: 'text', text };
  }

  /** What was held back by a partition goes on. */
  release(direction: Direction): void {
    for (const go of this.#flows[direction].held.splice(0)) go();
  }

  /** The end that receives in this direction learns that the other is gone, once what was sent has arrived. */
  reset(direction: Direction): void {
    if (!this.#isOpen) return;
    this.#carry(direction, undefined);
  }

  welcome(): void {
    this.#carry('down', { kind: 'opened' });
  }

  refuse(status: number): void {
    this.#carry('down', { kind: 'refused', status });
  }

  close(): void {
    this.#isOpen = false;
    this.link.channels.delete(this);
  }

  #cut(): void {
    this.#network.count('connection cut');
    for (const direction of ['up', 'down'] as const) {
      this.reset(direction);
      this.#flows[direction].isSilent = true;
    }
  }

  #carry(direction: Direction, message: Message | undefined): void {
    const flow = this.#flows[direction];
    const end = this.#ends[direction];
    if (end === undefined || flow.isSilent) return;
    const go = (): HeapEvent => {
      const at = Math.max(flow.lastArrivalMs, kernel().nowMs + this.#network.latency());
      flow.lastArrivalMs = at;
      return kernel().schedule(at - kernel().nowMs, end.actor, `${direction} ${describe(message)}`, () => {
        if (!this.#isOpen) return;
        if (message?.kind === 'text') flow.bytes -= message.text.length;
        if (message === undefined) end.broken();
        else end.receive(message);
      });
    };
    if (this.link.blocked[direction]) flow.held.push(go);
    else go();
  }
}

function newFlow(): Flow {
  return { lastArrivalMs: 0, isSilent: false, bytes: 0, held: [] };
}

/** For the trace: the type of a frame and a digest of all of it. */
function describe(message: Message | undefined): string {
  if (message === undefined) return 'reset';
  switch (message.kind) {
    case 'text':
      return `${message.text.slice(9, message.text.indexOf('"', 9))} ${hashText(message.text, 0).toString(16)}`;
    case 'close':
      return `close ${message.code} ${message.reason}`;
    case 'closed':
    case 'opened':
      return message.kind;
    case 'refused':
      return `refused ${message.status}`;
  }
}
