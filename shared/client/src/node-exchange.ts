import { Agent as HttpAgent, type IncomingMessage, request as requestHttp } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import type { Exchange, ExchangeAnswer } from './exchange.ts';

const maxConnections = 256;

/**
 * Calls over connections that are kept, through `node:http`: a third of the CPU of Node's `fetch` a call, which counts
 * where a program submits thousands of jobs. A connection that is not used keeps no process alive.
 */
export function createNodeExchange(): Exchange {
  const options = { keepAlive: true, maxSockets: maxConnections, maxFreeSockets: maxConnections };
  const plain = new HttpAgent(options);
  const secure = new HttpsAgent(options);
  return ({ url, method, headers, body, signal }) =>
    new Promise((resolve, reject) => {
      const isSecure = url.protocol === 'https:';
      const send = isSecure ? requestHttps : requestHttp;
      const sent = send(
        url,
        {
          agent: isSecure ? secure : plain,
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
