import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { shownJson } from '@capacloud/protocol/input/plain-text';
import { accept, type Problem, type Result, refuse } from '@capacloud/protocol/result';
import { apiLimits, type Route, type RouteName, routes } from '@capacloud/protocol/routes/routes';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { TSchema } from 'typebox';
import type { Admission } from './admission.ts';
import type { AnswersInFlight } from './answers-in-flight.ts';
import type { Stream } from './authentication.ts';
import type { Caller, KeyCaller } from './caller.ts';
import type { Handlers, RawAnswer } from './handler.ts';
import { idempotentRequest } from './idempotency.ts';
import { sendProblem } from './problem.ts';
import { bodyChecker, type ReadTexts, textReader } from './validation.ts';

declare module 'fastify' {
  interface FastifyRequest {
    caller: Caller | undefined;
  }
}

export interface Registration {
  readonly handlers: Handlers;
  readonly admission: Admission;
  readonly inFlight: AnswersInFlight;
  /** Cuts a response when the key of its caller is good no more. */
  readonly follow: (caller: KeyCaller, stream: Stream) => void;
  readonly now: () => number;
  readonly isDraining: () => boolean;
}

type AnyHandler = (call: unknown) => Promise<Result<unknown>> | Result<unknown>;

/** The path as Fastify writes it. */
export function fastifyPath(path: string): string {
  return path.replaceAll(/\{([a-z0-9_]+)\}/g, ':$1');
}

/** Registers the routes whose bodies are (or are not) binary. */
export function registerRoutes(app: FastifyInstance, binary: boolean, registration: Registration): void {
  for (const [name, route] of Object.entries(routes) as [RouteName, Route][]) {
    if ((route.body === 'binary') === binary) registerRoute(app, name, route, registration);
  }
}

function registerRoute(
  app: FastifyInstance,
  name: RouteName,
  route: Route,
  registration: Registration,
): void {
  // Handlers<RouteName> has checked that route and handler fit; past this point the types are those of a parsed call.
  const handler = registration.handlers[name] as unknown as AnyHandler;
  const parse = requestParser(route);
  app.route({
    method: route.method === 'GET' && route.response !== 'event-stream' ? ['GET', 'HEAD'] : route.method,
    url: fastifyPath(route.path),
    // No handlerTimeout: its timer ends with the body, and every wait of a handler has a bound of its own.
    onRequest: async (request, reply) => {
      if (registration.isDraining() && name !== 'getHealth')
        return sendProblem(reply, { code: 'service.draining', message: 'The coordinator is shutting down.' });
      const admitted = await registration.admission.admit(route, request, reply);
      if (!admitted.ok) return sendProblem(reply, admitted.refusal);
      const room = registration.inFlight.admit(registration.admission.addressOf(request));
      if (!room.ok) return sendProblem(reply, room.refusal);
      request.caller = admitted.value;
      return undefined;
    },
    handler: async (request, reply) => {
      const parsed = parse(request, registration.now());
      if (!parsed.ok) return sendProblem(reply, parsed.refusal);
      const stillGood = await readmit(registration, route, request, reply);
      if (!stillGood.ok) return sendProblem(reply, stillGood.refusal);
      registration.admission.weigh(route, request, parsed.value['body']);
      const result = await handler(callOf(registration, parsed.value, request, reply));
      if (!result.ok) return sendProblem(reply, result.refusal);
      return sendAnswer(registration, request, reply, route, result.value);
    },
  });
}

/** A body takes its time, and what its credentials stood for may have ended meanwhile. Then it comes to nothing. */
async function readmit(
  { admission, follow }: Registration,
  route: Route,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<Result<unknown>> {
  const { caller } = request;
  if (caller === undefined || route.method === 'GET') return accept(undefined);
  // These bodies are read while they are worked on.
  if (route.body === 'binary' && caller.kind === 'key') follow(caller, reply.raw);
  return admission.identify(request);
}

type Parsed = Readonly<Record<string, unknown>>;

function callOf(
  { admission, follow }: Registration,
  parsed: Parsed,
  request: FastifyRequest,
  reply: FastifyReply,
): unknown {
  return {
    ...parsed,
    caller: request.caller,
    headOnly: request.method === 'HEAD',
    get callerName() {
      return admission.nameOf(request);
    },
    charge: (calls: number) => admission.charge(request, calls),
    get signal() {
      if (request.caller?.kind === 'key') follow(request.caller, reply.raw);
      return goneSignal(reply);
    },
    requestId: request.id,
    setHeader: (header: string, value: string) => {
      reply.header(header, value);
    },
  };
}

/** Aborts when the connection ends. Fastify's own signal aborts as soon as the body has been read. */
function goneSignal(reply: FastifyReply): AbortSignal {
  const gone = new AbortController();
  reply.raw.once('close', () => gone.abort());
  return gone.signal;
}

/** Request → its typed parts, or every problem in them. */
function requestParser(route: Route): (request: FastifyRequest, at: number) => Result<Parsed> {
  const reader = (schema: TSchema | undefined, where: string, open: boolean): ReadTexts | undefined =>
    schema === undefined ? undefined : textReader(schema, where, open);
  const readParams = reader(route.params, 'params', false);
  const readQuery = reader(route.query, 'query', false);
  const readHeaders = reader(route.headers, 'headers', true);
  const checkBody = route.body === 'binary' ? () => [] : bodyChecker(route.body);
  return (request, at) => {
    const params = readParams?.(request.params as Record<string, unknown>);
    const query = readQuery?.(request.query as Record<string, unknown>);
    const headers = readHeaders?.(request.headers);
    // A request without a body brings no bytes; Fastify parses none then.
    const body = request.body ?? (route.body === 'binary' ? Readable.from([]) : undefined);
    const problems: Problem[] = [
      ...(params?.problems ?? []),
      ...(query?.problems ?? unknownQuery(request.query as Record<string, unknown>)),
      ...(headers?.problems ?? []),
      ...checkBody(body),
    ];
    if (problems.length > 0) return invalid(problems);
    const parts = {
      params: params?.values,
      query: query?.values,
      headers: headers?.values ?? {},
      body,
      at,
    };
    if (route.idempotent !== true || request.caller?.kind !== 'key') return accept(parts);
    const idempotent = idempotentRequest(request.caller.account, request.headers['idempotency-key'], {
      method: route.method,
      path: request.url.split('?', 1)[0] ?? '',
      body,
      at,
    });
    return idempotent.ok ? accept({ ...parts, idempotent: idempotent.value }) : idempotent;
  };
}

function unknownQuery(query: Readonly<Record<string, unknown>>): readonly Problem[] {
  return Object.keys(query)
    .slice(0, 20)
    .map((name) => ({ pointer: `/query/${name.slice(0, 64)}`, message: 'is not a known field' }));
}

function invalid(problems: readonly Problem[]): Result<never> {
  const first = problems[0];
  const where = first === undefined || first.pointer === '' ? 'The request' : first.pointer;
  const rest = problems.length > 1 ? ` (and ${problems.length - 1} more)` : '';
  return refuse('request.invalid', `${where} ${first?.message ?? 'is not valid'}${rest}.`, { problems });
}

function sendAnswer(
  registration: Registration,
  request: FastifyRequest,
  reply: FastifyReply,
  route: Route,
  value: unknown,
): FastifyReply {
  const counted = countedSender(registration, request, reply);
  reply.code(route.status);
  if (route.response === 'none') return reply.send();
  if (typeof route.response === 'string') {
    const answer = value as RawAnswer;
    reply.code(answer.status);
    for (const [name, text] of Object.entries(answer.headers)) reply.header(name, text);
    return counted(answer.body);
  }
  const text = shownJson(value);
  reply.header('content-type', 'application/json; charset=utf-8');
  if (route.method !== 'GET') return counted(text);
  const tag = `"${createHash('sha1').update(text).digest('base64url')}"`;
  reply.header('etag', tag);
  const known = request.headers['if-none-match'];
  if (known !== undefined && known.split(/\s*,\s*/).some((entry) => entry === tag || entry === `W/${tag}`))
    return reply.code(304).send();
  return counted(text);
}

/** Sends a body that counts until it has been read, or a refusal where the client has left too many unread. */
function countedSender(
  { admission, follow, inFlight }: Registration,
  request: FastifyRequest,
  reply: FastifyReply,
): (body: RawAnswer['body']) => FastifyReply {
  return (body) => {
    if (request.method === 'HEAD') return reply.send(body);
    const address = admission.addressOf(request);
    const room =
      body instanceof Readable
        ? inFlight.addStream(address, reply.raw)
        : inFlight.add(address, Buffer.byteLength(body), reply.raw);
    if (room.ok) {
      if (body instanceof Readable && request.caller?.kind === 'key') follow(request.caller, reply.raw);
      return reply.send(body);
    }
    if (body instanceof Readable) body.destroy();
    for (const name of ['etag', 'content-length', 'content-range']) reply.removeHeader(name);
    return sendProblem(reply, room.refusal);
  };
}

const everyMethod = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const;

/** A known path with another method is 405, not 404, and says which methods there are. */
export function registerOtherMethods(app: FastifyInstance): void {
  const methods = new Map<string, Set<string>>();
  for (const route of Object.values(routes) as Route[]) {
    const known = methods.get(route.path) ?? new Set();
    known.add(route.method);
    if (route.method === 'GET' && route.response !== 'event-stream') known.add('HEAD');
    methods.set(route.path, known);
  }
  for (const [path, known] of methods) {
    const allow = [...known].sort().join(', ');
    app.route({
      method: everyMethod.filter((method) => !known.has(method)),
      url: fastifyPath(path),
      // Before the body is looked at: what it holds does not matter.
      onRequest: async (request, reply) =>
        sendProblem(reply.header('allow', allow), {
          code: 'request.method_not_allowed',
          message: `${request.method} is not among the methods of this path: ${allow}.`,
        }),
      handler: () => undefined,
    });
  }
}

/** Hands a binary body on as the stream it is; its length must be stated and within the route's bound. */
export function parseBinary(request: FastifyRequest, payload: Readable): Result<Readable> {
  const length = request.headers['content-length'];
  if (length === undefined)
    return refuse('request.malformed', 'A binary body needs a Content-Length.', {
      hint: 'Send the chunk with its Content-Length, not in chunked encoding.',
    });
  const isLog = request.routeOptions.url === fastifyPath(routes.appendLog.path);
  const limit = isLog ? apiLimits.logChunkBytes : apiLimits.artifactChunkBytes;
  if (Number(length) > limit)
    return refuse('request.too_large', `A chunk has at most ${limit} bytes; this one has ${length}.`);
  return accept(payload);
}
