import { randomUUID } from 'node:crypto';
import { nestsTooDeeply } from '@capacloud/protocol/input/json-depth';
import { withJsonSpelling } from '@capacloud/protocol/job/spelling';
import { apiLimits, routes } from '@capacloud/protocol/routes/routes';
import Fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from 'fastify';
import { accountHandlers } from './account-handlers.ts';
import { Admission } from './admission.ts';
import { AnswersInFlight } from './answers-in-flight.ts';
import { artifactHandlers } from './artifact-handlers.ts';
import { Authentication } from './authentication.ts';
import { ConnectionGuard, defaultConnectionBounds } from './connection-guard.ts';
import type { ApiDependencies } from './dependencies.ts';
import { handleError, handleSocketError, RefusalError, refusalOf } from './errors.ts';
import { Idempotency } from './idempotency.ts';
import { JobFeed } from './job-feed.ts';
import { jobHandlers } from './job-handlers.ts';
import { keyHandlers } from './key-handlers.ts';
import { logHandlers } from './log-handlers.ts';
import { LongLooks } from './long-looks.ts';
import { marketHandlers } from './market-handlers.ts';
import { nodeHandlers } from './node-handlers.ts';
import { sendProblem } from './problem.ts';
import { parseBinary, type Registration, registerOtherMethods, registerRoutes } from './registration.ts';
import { serviceHandlers } from './service-handlers.ts';
import { taskHandlers } from './task-handlers.ts';
import { taskLogHandlers } from './task-log-handlers.ts';
import { TaskViews } from './task-views.ts';

export interface Api {
  readonly app: FastifyInstance;
  /** Every socket of the server; sessions of agents are handed over to it. */
  readonly connections: ConnectionGuard;
  /** From now on new requests are refused with service.draining, and event streams end. */
  drain(): void;
}

/** The REST API, built and not yet listening. */
export function createApi(deps: ApiDependencies, logger: FastifyBaseLogger): Api {
  const draining = new AbortController();
  const app: FastifyInstance = Fastify({
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: apiLimits.bodyBytes,
    requestTimeout: 120_000,
    connectionTimeout: 120_000,
    keepAliveTimeout: 72_000,
    maxRequestsPerSocket: 100_000,
    http: { maxHeaderSize: 16 * 1024, headersTimeout: 15_000, connectionsCheckingInterval: 5_000 },
    routerOptions: { maxParamLength: 128, caseSensitive: true, ignoreTrailingSlash: false },
    exposeHeadRoutes: false,
    forceCloseConnections: 'idle',
    return503OnClosing: true,
    requestIdHeader: false,
    genReqId: () => randomUUID(),
    // Whose word counts about a client's address is for `deps.clients` to say, here as at the gateway.
    trustProxy: false,
    clientErrorHandler: handleSocketError,
    frameworkErrors: (error, _request, reply) => {
      const refusal = refusalOf(error) ?? {
        code: 'request.malformed' as const,
        message: 'The URL is not well-formed.',
      };
      sendProblem(reply as never, refusal);
    },
  });
  const connections = new ConnectionGuard(deps.clients, {
    ...defaultConnectionBounds,
    ...deps.connectionBounds,
  });
  connections.watch(app.server);
  // Node would answer 417 by itself, without a code. An expectation that is none of ours is passed over (RFC 9110, 10.1.1).
  app.server.on('checkExpectation', (request, response) => app.server.emit('request', request, response));
  app.decorateRequest('caller', undefined);
  app.setErrorHandler(handleError);
  app.setNotFoundHandler((request, reply) =>
    sendProblem(reply, {
      code: 'request.not_found',
      message: `There is nothing at ${request.url.split('?', 1)[0]?.slice(0, 200)}.`,
      hint: 'See /v1/openapi.json for the paths there are.',
    }),
  );
  addHeaders(app, deps.settings.corsOrigins);
  const registration = registrationOf(deps, draining.signal);
  app.register(async (json) => {
    acceptJson(json);
    registerRoutes(json, false, registration);
    registerOtherMethods(json);
  });
  app.register(async (binary) => {
    acceptBinary(binary);
    registerRoutes(binary, true, registration);
  });
  app.addHook('preClose', async () => draining.abort());
  return { app, connections, drain: () => draining.abort() };
}

function registrationOf(deps: ApiDependencies, draining: AbortSignal): Registration {
  const authentication = new Authentication(deps.store, deps.sessions, deps.now);
  const idempotency = new Idempotency(deps.store);
  const feed = new JobFeed(deps.committed);
  const views = new TaskViews(deps);
  const looks = new LongLooks();
  return {
    handlers: {
      ...serviceHandlers(deps),
      ...jobHandlers({ deps, idempotency, feed, views, draining }),
      ...taskHandlers(deps, views, looks),
      ...taskLogHandlers(deps, feed, draining),
      ...artifactHandlers(deps),
      ...nodeHandlers(deps, looks),
      ...marketHandlers(deps, looks),
      ...accountHandlers(deps, idempotency),
      ...keyHandlers(deps, authentication),
      ...logHandlers(deps),
    },
    admission: new Admission(authentication, deps),
    inFlight: new AnswersInFlight(),
    follow: (caller, stream) => authentication.follow(caller, stream),
    now: deps.now,
    isDraining: () => draining.aborted,
  };
}

function acceptJson(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  const parse = app.getDefaultJsonParser('error', 'error');
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    // Clients that always state a content type send no body to calls that take none.
    if (body === '') done(null, undefined);
    else if (nestsTooDeeply(body as string))
      done(new RefusalError({ code: 'request.invalid', message: 'The body nests too deeply.' }));
    else
      void parse(request, body as string, (error, value: unknown) => {
        const what = error === null ? jobBodies.get(request.routeOptions.url) : undefined;
        done(error, what === undefined ? value : withJsonSpelling(value, body as string, what));
      });
  });
}

/** Routes whose bodies hold job files. */
const jobBodies: ReadonlyMap<string | undefined, 'file' | 'batch'> = new Map([
  [routes.submitJob.path, 'file'],
  [routes.planJob.path, 'file'],
  [routes.submitJobs.path, 'batch'],
]);

function acceptBinary(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/octet-stream', (request, payload, done) => {
    const body = parseBinary(request, payload);
    if (body.ok) done(null, body.value);
    else done(new RefusalError(body.refusal));
  });
}

/** Answers are data: browsers shall not guess their type, frame them, or keep what belongs to an account. */
function addHeaders(app: FastifyInstance, corsOrigins: readonly string[]): void {
  const origins = new Set(corsOrigins);
  app.addHook('onRequest', async (request, reply) => {
    reply.headers({
      'x-content-type-options': 'nosniff',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
      'referrer-policy': 'no-referrer',
      'cross-origin-resource-policy': origins.size === 0 ? 'same-origin' : 'cross-origin',
      'cache-control': 'no-store',
      'request-id': request.id,
    });
    const { origin } = request.headers;
    if (origin === undefined || !origins.has(origin)) return undefined;
    reply.headers({
      'access-control-allow-origin': origin,
      vary: 'Origin',
      'access-control-expose-headers':
        'ETag, Request-Id, Retry-After, RateLimit, RateLimit-Policy, Repr-Digest, Content-Range, Upload-Offset, Idempotency-Replayed',
    });
    if (request.method !== 'OPTIONS' || request.headers['access-control-request-method'] === undefined)
      return undefined;
    return reply
      .code(204)
      .headers({
        'access-control-allow-methods': 'GET, HEAD, POST, PUT, PATCH, DELETE',
        'access-control-allow-headers':
          'Authorization, Content-Type, Idempotency-Key, Last-Event-ID, Range, If-Range, If-None-Match, Upload-Offset',
        'access-control-max-age': '600',
      })
      .send();
  });
}
