import { type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import type { Socket } from 'node:net';
import type { Proxy } from './proxy-choice.ts';
import { TransferError } from './transfer-error.ts';

/** A proxy looks names up and connects before it answers. */
const tunnelTimeoutMs = 30_000;

export interface TunnelOptions {
  readonly host: string;
  readonly port: number;
  /** Whom to trust beside Node's defaults, where the proxy itself is reached by TLS. */
  readonly ca: readonly string[] | undefined;
}

/** A connection to host and port through the proxy (RFC 9110, section 9.3.6). Throws TransferError. */
export function openTunnel(proxy: Proxy, { host, port, ca }: TunnelOptions): Promise<Socket> {
  const target = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  return new Promise((resolve, reject) => {
    const fail = (what: string, hint: string, cause?: unknown) => {
      reject(new TransferError('proxy_failed', `the proxy ${proxy.shown} ${what}`, hint, { cause }));
      request.destroy();
    };
    const refuse = ({ statusCode = 0 }: IncomingMessage) => {
      if (statusCode !== 407) return fail(`refused a tunnel to ${target} (HTTP ${statusCode})`, allowHint);
      if (proxy.authorization === undefined)
        return fail('wants a user name and password (HTTP 407)', 'Write http://USER:PASSWORD@HOST:PORT.');
      fail('did not take the user name and password (HTTP 407)', 'Check them in the proxy variable.');
    };
    const request = (proxy.isSecure ? requestHttps : requestHttp)({
      method: 'CONNECT',
      host: proxy.host,
      port: proxy.port,
      path: target,
      headers: {
        host: target,
        ...(proxy.authorization === undefined ? {} : { 'proxy-authorization': proxy.authorization }),
      },
      agent: false,
      timeout: tunnelTimeoutMs,
      ...(ca === undefined ? {} : { ca: [...ca] }),
    });
    request.on('timeout', () => fail(`did not answer in ${tunnelTimeoutMs / 1000} s`, reachHint));
    request.on('error', (error) => fail(`cannot be reached: ${error.message}`, reachHint, error));
    request.on('response', refuse);
    request.on('connect', (answer, socket: Socket, head: Buffer) => {
      const status = answer.statusCode ?? 0;
      if (status < 200 || status > 299) {
        socket.destroy();
        return refuse(answer);
      }
      socket.setTimeout(0);
      if (head.length > 0) socket.unshift(head);
      resolve(socket);
    });
    request.end();
  });
}

const allowHint =
  "Let the proxy allow CONNECT to the coordinator's host and port, or list the host in NO_PROXY.";
const reachHint =
  'Check HTTPS_PROXY, HTTP_PROXY and ALL_PROXY; list the host in NO_PROXY to reach it directly.';
