import type { EventEmitter } from 'node:events';
import type { Actor } from './actor.ts';
import { kernel } from './kernel.ts';
import type { Link } from './network.ts';
import { Channel, type Network } from './network.ts';

export interface HttpRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}
export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** A process that listens: the agents' door and the HTTP routes of one coordinator. */
export interface Listener {
  readonly actor: Actor;
  readonly server: EventEmitter;
  answer(request: HttpRequest): Promise<HttpAnswer>;
}

/** Observes what goes over sockets, for the auditor. */
export interface Wiretap {
  said(channel: Channel, text: string): void;
  heard(channel: Channel, text: string): void;
}

/** Who listens where, and by which link each process is connected. */
export class Servers {
  readonly network: Network;
  readonly tap: Wiretap;
  #listener: Listener | undefined;
  readonly #links = new Map<Actor, Link>();
  #lastChannel = 0;

  constructor(network: Network, tap: Wiretap) {
    this.network = network;
    this.tap = tap;
  }

  listen(listener: Listener): void {
    this.#listener = listener;
  }

  connectBy(actor: Actor, link: Link): void {
    this.#links.set(actor, link);
    actor.onEnd(() => this.#links.delete(actor));
  }

  linkOf(actor: Actor): Link {
    const link = this.#links.get(actor);
    if (link === undefined) throw new Error(`${actor.name} has no network`);
    return link;
  }

  /** Whoever would take a connection now. */
  listener(): Listener | undefined {
    return this.#listener?.actor.alive === true ? this.#listener : undefined;
  }

  openChannel(link: Link): Channel {
    this.#lastChannel += 1;
    return new Channel(this.network, link, this.#lastChannel);
  }

  /** One exchange over HTTP, from the present process. Rejects where the network or the other side fails it. */
  exchange(link: Link, request: HttpRequest, signal: AbortSignal | undefined): Promise<HttpAnswer> {
    const { current } = kernel();
    const { network } = this;
    return new Promise((resolve, reject) => {
      const fail = (why: string, afterMs: number) => {
        kernel().schedule(afterMs, current, `http ${why}`, () => {
          reject(new TypeError('fetch failed', { cause: new Error(why) }));
        });
      };
      signal?.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
      const listener = this.listener();
      if (listener === undefined) return fail('refused', network.latency());
      if (link.blocked.up || link.blocked.down) return fail('unreachable', 3000);
      if (network.random.chance(network.faults.cut)) {
        network.count('request lost');
        return fail('reset', network.latency());
      }
      let isOver = false;
      listener.actor.onEnd(() => {
        if (!isOver) fail('reset', network.latency());
        isOver = true;
      });
      const back = (answer: HttpAnswer) => {
        if (isOver) return;
        isOver = true;
        if (link.blocked.down) return fail('unreachable', 3000);
        if (network.random.chance(network.faults.cut)) {
          network.count('answer lost');
          return fail('reset', network.latency());
        }
        kernel().schedule(network.latency(), current, `http ${answer.status}`, () => resolve(answer));
      };
      kernel().schedule(network.latency(), listener.actor, `http ${request.method} ${request.path}`, () => {
        void listener.answer(request).then(back);
      });
    });
  }
}

let active: Servers | undefined;

export function servers(): Servers {
  if (active === undefined) throw new Error('no simulation is running');
  return active;
}

export function setServers(next: Servers | undefined): void {
  active = next;
}
