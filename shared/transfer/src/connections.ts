import { readFileSync } from 'node:fs';
import { type Agent, type AgentOptions, type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import { getCACertificates } from 'node:tls';
import { type Environment, readProxyChoice } from './proxy-choice.ts';
import { TransferError } from './transfer-error.ts';
import { PlainAgent, SecureAgent } from './tunnel-agents.ts';

export interface ConnectionsOptions {
  readonly env: Environment;
  /** Certificates (PEM) that are trusted beside Node's defaults. */
  readonly caFile?: string | undefined;
  /** How connections are kept. Default: as long as the other side keeps them. */
  readonly agent?: AgentOptions;
}

export interface CallOptions {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array | null;
  readonly signal?: AbortSignal;
}

/** Every way to a coordinator: by proxy where the environment says so, with the certificates that are trusted. */
export interface Connections {
  /** The agent of `node:http` or `node:https` for an address; also of a WebSocket. */
  agentFor(url: string | URL): Agent;
  /** The proxy through which an address is reached, as people may see it. */
  proxyFor(url: string | URL): string | undefined;
  /** As `fetch`, and follows no redirect: what answers is handed over. Rejects when no answer came. */
  fetch(url: string | URL, options: CallOptions): Promise<Response>;
}

/** Throws TransferError for a proxy or a file of certificates that cannot be used. */
export function createConnections(options: ConnectionsOptions): Connections {
  const parts = { choice: readProxyChoice(options.env), ca: readCertificates(options.caFile) };
  const agentOptions = { keepAlive: true, ...options.agent };
  const plain = new PlainAgent(parts, agentOptions);
  const secure = new SecureAgent(parts, agentOptions);
  const agentFor = (url: string | URL) => (isSecure(url) ? secure : plain);
  return {
    agentFor,
    proxyFor: (url) => parts.choice(new URL(url))?.shown,
    fetch: (url, call) => exchange(new URL(url), agentFor(url), call),
  };
}

function isSecure(url: string | URL): boolean {
  return /^(https|wss):/i.test(String(url));
}

function readCertificates(file: string | undefined): readonly string[] | undefined {
  if (file === undefined) return undefined;
  const hint = 'It holds one or more certificates between BEGIN CERTIFICATE and END CERTIFICATE (PEM).';
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new TransferError('config.invalid', `the certificates cannot be read: ${why}`, hint, { cause });
  }
  const own = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g);
  if (own === null) throw new TransferError('config.invalid', `${file} holds no certificate`, hint);
  // Named ones take the place of the defaults, so these are named, too; NODE_EXTRA_CA_CERTS is among them.
  return [...getCACertificates('default'), ...own];
}

function exchange(url: URL, agent: Agent, call: CallOptions): Promise<Response> {
  const { method, headers, body, signal } = call;
  return new Promise((resolve, reject) => {
    const sent = (isSecure(url) ? requestHttps : requestHttp)(
      url,
      {
        agent,
        method,
        headers:
          body === undefined || body === null
            ? headers
            : { ...headers, 'content-length': String(Buffer.byteLength(body)) },
        ...(signal === undefined ? {} : { signal }),
      },
      (message) => {
        try {
          resolve(answerOf(message));
        } catch (error) {
          message.destroy();
          reject(error);
        }
      },
    );
    sent.on('error', reject);
    sent.end(body ?? undefined);
  });
}

function answerOf(message: IncomingMessage): Response {
  const status = message.statusCode ?? 0;
  const headers = new Headers();
  for (const [name, values] of Object.entries(message.headersDistinct))
    for (const value of values ?? []) headers.append(name, value);
  // A Response of these may have no body, and unread its connection would not be used again.
  const isEmpty = status === 204 || status === 205 || status === 304;
  if (isEmpty) message.resume();
  const body = isEmpty ? null : (Readable.toWeb(message) as ReadableStream<Uint8Array>);
  return new Response(body as ConstructorParameters<typeof Response>[0], {
    status,
    statusText: message.statusMessage ?? '',
    headers,
  });
}
