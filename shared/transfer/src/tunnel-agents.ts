import { type AgentOptions, type ClientRequestArgs, Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { Duplex } from 'node:stream';
import type { ProxyChoice } from './proxy-choice.ts';
import { openTunnel } from './tunnel.ts';

type Created = (error: Error | null, stream: Duplex) => void;

export interface TunnelParts {
  readonly choice: ProxyChoice;
  readonly ca: readonly string[] | undefined;
}

/** What `net.connect` would give, but through the proxy that is chosen for the address; undefined: directly. */
function tunnelFor({ choice, ca }: TunnelParts, protocol: string, options: ClientRequestArgs) {
  const host = options.host ?? 'localhost';
  const port = Number(options.port);
  const url = URL.parse(`${protocol}//${host.includes(':') ? `[${host}]` : host}:${port}`);
  const proxy = url === null ? undefined : choice(url);
  return proxy === undefined ? undefined : openTunnel(proxy, { host, port, ca });
}

/** An error takes the place of the stream. */
function failed(created: Created | undefined): (error: unknown) => void {
  return (error) => (created as ((error: unknown) => void) | undefined)?.(error);
}

export class PlainAgent extends HttpAgent {
  readonly #parts: TunnelParts;

  constructor(parts: TunnelParts, options: AgentOptions) {
    super(options);
    this.#parts = parts;
  }

  override createConnection(options: ClientRequestArgs, created?: Created): Duplex | null | undefined {
    const tunnel = tunnelFor(this.#parts, 'http:', options);
    if (tunnel === undefined) return super.createConnection(options, created);
    tunnel.then((socket) => created?.(null, socket), failed(created));
    return undefined;
  }
}

export class SecureAgent extends HttpsAgent {
  readonly #parts: TunnelParts;

  constructor(parts: TunnelParts, options: AgentOptions) {
    super({ ...options, ...(parts.ca === undefined ? {} : { ca: [...parts.ca] }) });
    this.#parts = parts;
  }

  override createConnection(options: ClientRequestArgs, created?: Created): Duplex | null | undefined {
    const tunnel = tunnelFor(this.#parts, 'https:', options);
    if (tunnel === undefined) return super.createConnection(options, created);
    tunnel.then((socket) => {
      // TLS begins inside the tunnel, with the coordinator's own certificate.
      const secured = super.createConnection({ ...options, socket } as ClientRequestArgs);
      if (secured !== null && secured !== undefined) created?.(null, secured);
    }, failed(created));
    return undefined;
  }
}
