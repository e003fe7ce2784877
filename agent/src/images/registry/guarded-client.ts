import { lookup } from 'node:dns/promises';
import { type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { isIP } from 'node:net';
import type { Connections } from '@capacloud/transfer/connections';
import type { RegistryOrigin } from '../../core/registries.ts';
import { isOwnAddress, networksOfMachine } from './own-networks.ts';
import { isPublicAddress } from './public-address.ts';

/** How registries are reached. */
export interface RegistryNetwork {
  /** By the proxies of the environment. */
  readonly proxied: Connections;
  /** By none. */
  readonly direct: Connections;
  /** Every address of a name; the system's resolver unless a test says otherwise. */
  readonly resolve?: (host: string) => Promise<readonly string[]>;
  /** Networks of this machine, as ADDRESS/BITS; those of its interfaces unless a test says otherwise. */
  readonly ownNetworks?: () => readonly string[];
}

/** No answer came, for whichever reason: nobody outside may learn which. The message is for the owner. */
export class RegistryUnreachable extends Error {
  override readonly name = 'RegistryUnreachable';
}

export const registryDeadlines = {
  /** Until an answer begins, for each address of a name. */
  answerMs: 20_000,
  resolveMs: 10_000,
  /** Longest silence inside an answer. */
  idleMs: 60_000,
} as const;
/** Addresses of one name that are tried. */
const maxAddresses = 3;

/**
 * Asks registries, and connects to no address that the owner would not have. The name is looked up here, each address is
 * judged, and the connection goes to the very address that was judged: a name that means something else a moment later
 * changes nothing. No redirect is followed.
 */
export class GuardedClient {
  readonly #network: RegistryNetwork;

  constructor(network: RegistryNetwork) {
    this.#network = network;
  }

  /** The answer, whatever its status. Throws RegistryUnreachable, or the signal's reason. */
  async get(
    origin: RegistryOrigin,
    url: URL,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    const name = url.hostname.replace(/^\[|\]$/g, '');
    const isProxied = this.#network.proxied.proxyFor(url) !== undefined;
    const addresses = await this.#addresses(origin, name, isProxied, signal);
    // A proxy looks names up itself. It is told the name where the owner trusts the host, and else the address that was judged.
    const targets = isProxied && origin.isTrusted ? [name] : addresses;
    const connections = isProxied ? this.#network.proxied : this.#network.direct;
    let failure: unknown;
    for (const host of targets.slice(0, maxAddresses)) {
      try {
        return await ask({ url, host, name, headers, connections }, signal);
      } catch (error) {
        signal.throwIfAborted();
        failure = error;
      }
    }
    throw new RegistryUnreachable(`${url.host} cannot be reached: ${textOf(failure)}`, { cause: failure });
  }

  async #addresses(
    { isTrusted, mayBePrivate }: RegistryOrigin,
    name: string,
    isProxied: boolean,
    signal: AbortSignal,
  ): Promise<readonly string[]> {
    const found = isIP(name) === 0 ? await this.#resolve(name, signal) : [name];
    if (found.length === 0 && !(isProxied && isTrusted))
      throw new RegistryUnreachable(`${name} has no address`);
    if (!mayBePrivate) this.#refuseUnwanted(name, found);
    return found;
  }

  #refuseUnwanted(name: string, addresses: readonly string[]): void {
    const networks = this.#network.ownNetworks?.() ?? networksOfMachine();
    for (const address of addresses) {
      const isPublic = isPublicAddress(address);
      if (isPublic && !isOwnAddress(address, networks)) continue;
      const what = isPublic ? 'lies in a network of this machine' : 'is not public';
      throw new RegistryUnreachable(
        `${name} has the address ${address}, which ${what}; only a registry that the setting registries names by its host may lie in the owner's network`,
      );
    }
  }

  async #resolve(name: string, signal: AbortSignal): Promise<readonly string[]> {
    const resolve = this.#network.resolve ?? systemAddresses;
    const late = Promise.withResolvers<readonly string[]>();
    const timer = setTimeout(() => late.resolve([]), registryDeadlines.resolveMs);
    try {
      return await Promise.race([resolve(name).catch(() => []), late.promise]);
    } finally {
      clearTimeout(timer);
      signal.throwIfAborted();
    }
  }
}

async function systemAddresses(name: string): Promise<readonly string[]> {
  return (await lookup(name, { all: true, order: 'ipv4first' })).map(({ address }) => address);
}

interface Question {
  readonly url: URL;
  /** What is connected to. */
  readonly host: string;
  /** Whom the certificate has to be for. */
  readonly name: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly connections: Connections;
}

function ask(
  { url, host, name, headers, connections }: Question,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const isSecure = url.protocol === 'https:';
    const sent = (isSecure ? requestHttps : requestHttp)({
      agent: connections.agentFor(url),
      method: 'GET',
      host,
      port: url.port === '' ? (isSecure ? 443 : 80) : Number(url.port),
      path: `${url.pathname}${url.search}`,
      headers: { ...headers, host: url.host, 'user-agent': 'capacloud-agent' },
      maxHeaderSize: 32 * 1024,
      signal,
      ...(isSecure && isIP(name) === 0 ? { servername: name } : {}),
    });
    const timer = setTimeout(
      () => sent.destroy(new Error('no answer came in time')),
      registryDeadlines.answerMs,
    );
    const settle = () => clearTimeout(timer);
    sent.on('error', (error) => {
      settle();
      reject(error);
    });
    sent.on('upgrade', (_response, socket) => {
      socket.destroy();
      settle();
      reject(new Error('it wants to go on in another protocol'));
    });
    sent.on('response', (response) => {
      settle();
      // An error that comes when nobody reads any longer must not end the process.
      response.on('error', () => undefined);
      resolve(response);
    });
    sent.end();
  });
}

/** The body, piece by piece; a silence, a break and an early end are RegistryUnreachable. */
export async function* bodyOf(response: IncomingMessage): AsyncGenerator<Buffer> {
  let isWaiting = true;
  const timer = setTimeout(() => {
    // The reader may take its time; only the registry's silence counts.
    if (isWaiting) response.destroy(new Error('nothing came for too long'));
    else timer.refresh();
  }, registryDeadlines.idleMs);
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      isWaiting = false;
      yield chunk;
      isWaiting = true;
      timer.refresh();
    }
    if (!response.complete) throw new Error('the answer ended early');
  } catch (error) {
    throw new RegistryUnreachable(`an answer of the registry broke off: ${textOf(error)}`, { cause: error });
  } finally {
    clearTimeout(timer);
    response.destroy();
  }
}

/** The whole body; undefined where it is larger than the bound. */
export async function readBody(response: IncomingMessage, maxBytes: number): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of bodyOf(response)) {
    bytes += chunk.length;
    if (bytes > maxBytes) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
