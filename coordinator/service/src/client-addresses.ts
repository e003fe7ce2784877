import type { IncomingHttpHeaders } from 'node:http';
import { BlockList, isIP, isIPv4 } from 'node:net';

/** What is needed of a request, whether it asks for an answer or for an upgrade. */
export interface ClientRequest {
  readonly socket: { readonly remoteAddress?: string | undefined };
  readonly headers: IncomingHttpHeaders;
}

/** Names for the ranges that proxies of the same machine or network have. */
const namedRanges: Readonly<Record<string, readonly string[]>> = {
  loopback: ['127.0.0.0/8', '::1/128'],
  linklocal: ['169.254.0.0/16', 'fe80::/10'],
  uniquelocal: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'],
};

/** Of a client that the socket names no more, or never did, as a Unix socket does. Such clients count as one. */
const unnamed = 'unnamed';

/** A longer chain of proxies is no honest one; without a bound a header of 16 KiB would be read at every request. */
const maxHops = 16;

/** Addresses of which it is remembered that a node or a consumer of ours used them. */
export const maxKnown = 65_536;

/** Peers of which an ignored header is told. */
const maxTold = 16;

const forwardingHeaders = ['x-forwarded-for', 'forwarded', 'x-real-ip'] as const;

/**
 * Says by which address a request counts: one rule for the REST API and for the agents' gateway.
 *
 * `X-Forwarded-For` is read from its right end, where the nearest proxy wrote, and only as far as the hop that wrote each
 * entry is a trusted proxy. Everything to the left of that was written by the client, which may write what it likes.
 * `Forwarded` and `X-Real-IP` are not read: most proxies pass on what the client put there.
 */
export class ClientAddresses {
  readonly #trusted: BlockList;
  readonly #onIgnored: (peer: string) => void;
  readonly #told = new Set<string>();
  /** The most recent last. */
  readonly #known = new Set<string>();

  /** `onIgnored` is called once for a peer that sends a proxy's header and is no trusted proxy. */
  constructor(trustedProxies: readonly string[], onIgnored: (peer: string) => void = () => {}) {
    this.#trusted = blockListOf(trustedProxies.flatMap((text) => namedRanges[text] ?? [text]));
    this.#onIgnored = onIgnored;
  }

  /** What a client is counted by: its IPv4 address, or the /64 of its IPv6 address, which is one customer's at the least. */
  of({ socket, headers }: ClientRequest): string {
    const peer = socket.remoteAddress;
    if (peer === undefined) return unnamed;
    const from = parseAddress(peer);
    if (from === undefined) return peer;
    if (!this.#trusts(from)) {
      if (forwardingHeaders.some((name) => headers[name] !== undefined)) this.#tell(from);
      return countedAs(from);
    }
    return countedAs(this.#client(from, headers['x-forwarded-for']));
  }

  /** The peer passes on requests of others, which are what has to be bounded. */
  isProxy(peer: string | undefined): boolean {
    const from = peer === undefined ? undefined : parseAddress(peer);
    return from !== undefined && this.#trusts(from);
  }

  /** Somebody has proven to be no stranger here. `counted` is what `of` gave. */
  know(counted: string): void {
    this.#known.delete(counted);
    this.#known.add(counted);
    const [oldest] = this.#known;
    if (this.#known.size > maxKnown && oldest !== undefined) this.#known.delete(oldest);
  }

  /** Where strangers crowd in, room is kept for such an address. It is remembered until the coordinator stops. */
  isKnown(counted: string): boolean {
    return this.#known.has(counted);
  }

  #client(peer: string, header: string | string[] | undefined): string {
    const entries = Array.isArray(header) ? header.join(',') : (header ?? '');
    let hop = peer;
    let end = entries.length;
    for (let hops = 0; hops < maxHops && end > 0 && this.#trusts(hop); hops++) {
      const start = entries.lastIndexOf(',', end - 1) + 1;
      const named = parseAddress(withoutPort(entries.slice(start, end).trim()));
      // What a trusted proxy could not name is counted as the proxy's own.
      if (named === undefined) break;
      hop = named;
      end = start - 1;
    }
    return hop;
  }

  #trusts(address: string): boolean {
    return this.#trusted.check(address, isIPv4(address) ? 'ipv4' : 'ipv6');
  }

  #tell(peer: string): void {
    if (this.#told.size >= maxTold || this.#told.has(peer)) return;
    this.#told.add(peer);
    this.#onIgnored(peer);
  }
}

/** Undefined when it can be an entry of `trusted_proxies`; otherwise what is wrong with it. */
export function proxyFault(text: string): string | undefined {
  if (Object.hasOwn(namedRanges, text)) return undefined;
  const range = parseRange(text);
  if (range === undefined)
    return `must be an address, a range such as 10.0.0.0/8, or one of ${Object.keys(namedRanges).join(', ')}`;
  return range.prefix === 0 ? 'would trust every address, so that any client could name another' : undefined;
}

interface Range {
  readonly address: string;
  readonly prefix: number;
}

function parseRange(text: string): Range | undefined {
  const [base = '', prefixText, ...rest] = text.split('/');
  const address = parseAddress(base);
  if (address === undefined || base.includes('%') || rest.length > 0) return undefined;
  const bits = isIPv4(address) ? 32 : 128;
  if (prefixText === undefined) return { address, prefix: bits };
  if (!/^\d{1,3}$/.test(prefixText)) return undefined;
  // A range of IPv4-mapped addresses is one of IPv4 addresses.
  const prefix = Number(prefixText) - (bits === 32 && base.includes(':') ? 96 : 0);
  return prefix >= 0 && prefix <= bits ? { address, prefix } : undefined;
}

function blockListOf(texts: readonly string[]): BlockList {
  const list = new BlockList();
  for (const text of texts) {
    const range = parseRange(text);
    if (range === undefined || range.prefix === 0) throw new Error(`${text} is no range of proxies`);
    list.addSubnet(range.address, range.prefix, isIPv4(range.address) ? 'ipv4' : 'ipv6');
  }
  return list;
}

/** In one spelling: IPv4-mapped addresses as IPv4, IPv6 without a zone, eight groups without leading zeros. */
function parseAddress(text: string): string | undefined {
  if (text.length > 64) return undefined;
  const family = isIP(text);
  if (family === 4) return text;
  if (family !== 6) return undefined;
  const groups = groupsOf(text.split('%', 1)[0] ?? '');
  const [high = 0, low = 0] = groups.slice(6);
  const isMapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff;
  if (isMapped) return [high >> 8, high & 255, low >> 8, low & 255].join('.');
  return groups.map((group) => group.toString(16)).join(':');
}

/** The eight numbers of a valid IPv6 address. */
function groupsOf(text: string): readonly number[] {
  const [head = '', tail] = text.split('::');
  const left = numbersOf(head);
  if (tail === undefined) return left;
  const right = numbersOf(tail);
  return [...left, ...new Array<number>(8 - left.length - right.length).fill(0), ...right];
}

function numbersOf(text: string): readonly number[] {
  if (text === '') return [];
  return text.split(':').flatMap((part) => {
    if (!part.includes('.')) return [Number.parseInt(part, 16)];
    const [a = 0, b = 0, c = 0, d = 0] = part.split('.').map(Number);
    return [a * 256 + b, c * 256 + d];
  });
}

/** Some proxies write the client's port as well: `192.0.2.1:4711`, `[2001:db8::1]:4711`. */
function withoutPort(text: string): string {
  const bracketed = /^\[([^\]]*)\](?::\d{1,5})?$/.exec(text)?.[1];
  return bracketed ?? /^(\d+\.\d+\.\d+\.\d+):\d{1,5}$/.exec(text)?.[1] ?? text;
}

function countedAs(address: string): string {
  return isIPv4(address) ? address : `${address.split(':', 4).join(':')}::/64`;
}
