import { type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { type Connections, createConnections } from '@capacloud/transfer/connections';
import type { Exchange, ExchangeAnswer, ExchangeRequest } from './exchange.ts';

const maxConnections = 256;

/**
 * Calls over connections that are kept, through `node:http`: a third of the CPU of Node's `fetch` a call, which counts
 * where a program submits thousands of jobs. A connection that is not used keeps no process alive. Proxies are those of the
 * environment.
 */
export function createNodeExchange(connections = nodeConnections(process.env)): Exchange {
  return ({ url, method, headers, body, signal }) =>
    new Promise((resolve, reject) => {
      const isSecure = url.protocol === 'https:';
      const send = isSecure ? requestHttps : requestHttp;
      const sent = send(
        url,
        {
          agent: connections.agentFor(url),
          method,
          headers: body === undefined ? headers : { ...headers, 'content-length': Buffer.byteLength(body) },
          ...(signal === undefined ? {} : { signal }),
        },
        (message) => resolve(answerOf(message, url)),
      );
      sent.on('error', reject);
      sent.end(body);
    });
}

/** Connections for both of these. Throws TransferError for a proxy or certificates that cannot be used. */
export function nodeConnections(
  env: Readonly<Record<string, string | undefined>>,
  caFile?: string,
): Connections {
  const agent = { maxSockets: maxConnections, maxFreeSockets: maxConnections };
  return createConnections({ env, caFile, agent });
}

/** Streams and bytes over such connections: `opening` of a client. */
export function createNodeOpening(connections: Connections): (request: ExchangeRequest) => Promise<Response> {
  return ({ url, ...call }) => connections.fetch(url, call);
}

function answerOf(message: IncomingMessage, url: URL): ExchangeAnswer {
  const status = message.statusCode ?? 0;
  // Nobody reads the body of an answer that has none, and unread its connection would not be used again.
  if (status === 204 || status === 304) message.resume();
  return {
    ok: status >= 200 && status < 300,
    status,
    statusText: message.statusMessage ?? '',
    url: url.href,
    headers: {
      get: (name) => {
        const value = message.headers[name.toLowerCase()];
        return Array.isArray(value) ? value.join(', ') : (value ?? null);
      },
    },
    body: message,
  };
}
