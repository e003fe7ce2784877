import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type ErrorCode, errorCatalogue } from '@capacloud/protocol/catalogue/errors';

export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

type Reply = (request: SeenRequest, response: ServerResponse) => void | Promise<void>;

/** An HTTP server on a real socket that answers as the test says, and remembers what it was asked. */
export class ScriptedServer {
  readonly seen: SeenRequest[] = [];
  readonly #replies = new Map<string, Reply[]>();
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(): Promise<ScriptedServer> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const scripted = new ScriptedServer(server);
    server.on('request', (request, response) => {
      void scripted.#answer(request, response);
    });
    return scripted;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** What `GET /v1/x` answers, call by call; the last reply stays. */
  on(route: string, ...replies: readonly Reply[]): this {
    this.#replies.set(route, [...replies]);
    return this;
  }

  requests(route: string): readonly SeenRequest[] {
    return this.seen.filter(({ method, path }) => `${method} ${path}` === route);
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://localhost');
    const parts: Buffer[] = [];
    try {
      for await (const part of request) parts.push(part as Buffer);
    } catch {
      return;
    }
    const seen: SeenRequest = {
      method: request.method ?? '',
      path: url.pathname,
      query: url.searchParams,
      headers: request.headers,
      body: Buffer.concat(parts),
    };
    this.seen.push(seen);
    const replies = this.#replies.get(`${seen.method} ${seen.path}`) ?? [];
    const reply = replies.length > 1 ? replies.shift() : replies[0];
    if (reply === undefined) await problem('request.not_found')(seen, response);
    else await reply(seen, response);
  }
}

export function json(body: unknown, status = 200): Reply {
  return (_, response) => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  };
}

export function problem(code: ErrorCode, extra: Readonly<Record<string, unknown>> = {}): Reply {
  const { http, title, hint, retryable } = errorCatalogue[code];
  const body = {
    type: `urn:capacloud:problem:${code}`,
    title,
    status: http,
    code,
    detail: `${title}!`,
    hint,
    retryable,
    request_id: 'req-1',
    ...extra,
  };
  return (_, response) => {
    response
      .writeHead(http, { 'content-type': 'application/problem+json', 'retry-after': '0' })
      .end(JSON.stringify(body));
  };
}

export function text(body: string | Uint8Array, status = 200, headers: Record<string, string> = {}): Reply {
  return (_, response) => {
    response.writeHead(status, { 'content-type': 'text/plain', ...headers }).end(body);
  };
}

/** Sends the head, maybe some of the body, and then breaks the connection. */
export function broken(part: string | Uint8Array = '', length = 1000): Reply {
  return (_, response) => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': String(length) });
    response.write(part, () => response.destroy());
  };
}

export interface StreamedEvent {
  readonly id?: number;
  readonly event: string;
  readonly data: unknown;
}

/** A stream of events, in pieces that respect no boundary; then ended, broken, or left open. */
export function events(items: readonly StreamedEvent[], then: 'end' | 'break' | 'silence' = 'end'): Reply {
  return async (_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const whole = Buffer.from(
      `: heartbeat\n\n${items
        .map(
          ({ id, event, data }) =>
            `${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`,
        )
        .join('')}`,
    );
    for (let at = 0; at < whole.length; at += 37)
      await new Promise((resolve) => response.write(whole.subarray(at, at + 37), resolve));
    if (then === 'end') response.end();
    if (then === 'break') response.destroy();
  };
}
