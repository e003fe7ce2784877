import { Readable } from 'node:stream';
import { accountHandlers } from '@capacloud/coordinator/api/account-handlers';
import { artifactHandlers } from '@capacloud/coordinator/api/artifact-handlers';
import type { Caller } from '@capacloud/coordinator/api/caller';
import type { ApiDependencies } from '@capacloud/coordinator/api/dependencies';
import type { RawAnswer } from '@capacloud/coordinator/api/handler';
import { Idempotency, idempotentRequest } from '@capacloud/coordinator/api/idempotency';
import { JobFeed } from '@capacloud/coordinator/api/job-feed';
import { jobHandlers } from '@capacloud/coordinator/api/job-handlers';
import { problemDetails } from '@capacloud/coordinator/api/problem';
import { taskLogHandlers } from '@capacloud/coordinator/api/task-log-handlers';
import { TaskViews } from '@capacloud/coordinator/api/task-views';
import { errorCatalogue } from '@capacloud/protocol/catalogue/errors';
import type { AccountId } from '@capacloud/protocol/ids';
import type { Refusal, Result } from '@capacloud/protocol/result';
import type { ResponseOf } from '@capacloud/protocol/routes/routes';
import { kernel } from '../kernel/kernel.ts';
import type { HttpAnswer, HttpRequest } from '../kernel/servers.ts';
import { isInjected } from './injected.ts';
import type { Watch } from './watch.ts';

type AnyHandler = (call: unknown) => Promise<Result<unknown>> | Result<unknown>;

interface Route {
  readonly method: string;
  readonly path: RegExp;
  readonly handler: AnyHandler;
  readonly status: number;
  readonly isBinary?: true;
}

export interface RouteParts {
  readonly deps: ApiDependencies;
  readonly watch: Watch;
  readonly signal: AbortSignal;
}

/** The real handlers behind a plain table: Fastify's own parsing has tests of its own. */
export function createRoutes(parts: RouteParts): (request: HttpRequest) => Promise<HttpAnswer> {
  const { deps } = parts;
  const routes = routesOf(deps, parts.signal);
  return async (request) => {
    const [path = '', query = ''] = request.path.split('?');
    const token = (request.headers['authorization'] ?? '').replace('Bearer ', '');
    const caller = callerOf(deps, token);
    if (caller === undefined) return refusal({ code: 'auth.invalid', message: 'Who is it?' }, {});
    for (const route of routes) {
      const found = route.method === request.method ? route.path.exec(path) : null;
      if (found === null) continue;
      const addressed = { caller, params: found.groups ?? {}, query };
      const answer = await answerBy(deps, route, request, addressed).catch(broken);
      tellClient(parts.watch, request, caller, found.groups?.['job'], answer);
      return answer;
    }
    return refusal({ code: 'request.not_found', message: path }, {});
  };
}

/** As Fastify answers for a handler that throws. Only what the simulation broke may. */
function broken(error: unknown): HttpAnswer {
  if (!isInjected(error)) throw error;
  return refusal({ code: 'service.internal', message: 'The call failed.' }, {});
}

/** What an answer that leaves the coordinator says about a job. */
function tellClient(
  watch: Watch,
  { method, path, headers }: HttpRequest,
  caller: Caller,
  job: string | undefined,
  { status, body }: HttpAnswer,
): void {
  if (method !== 'POST' || status >= 300 || caller.kind !== 'key') return;
  const key = headers['idempotency-key'];
  if (path === '/v1/jobs' && key !== undefined) {
    const { id } = JSON.parse(Buffer.from(body).toString('utf8')) as { readonly id: string };
    const frame = { type: 'submitted', account: caller.account, key, job: id } as const;
    watch.observe({ kind: 'said', to: 'client', frame });
  } else if (path === '/v1/jobs/batch' && key !== undefined) {
    const { results } = JSON.parse(Buffer.from(body).toString('utf8')) as ResponseOf<'submitJobs'>;
    for (const [index, result] of results.entries()) {
      if (!('job' in result)) continue;
      const frame = { account: caller.account, key: `${key}/${index}`, job: result.job.id } as const;
      watch.observe({ kind: 'said', to: 'client', frame: { type: 'submitted', ...frame } });
    }
  } else if (path.endsWith('/cancel') && job !== undefined)
    watch.observe({ kind: 'said', to: 'client', frame: { type: 'cancelled', job } });
}

function routesOf(deps: ApiDependencies, signal: AbortSignal): readonly Route[] {
  const idempotency = new Idempotency(deps.store);
  const feed = new JobFeed(deps.committed);
  const views = new TaskViews(deps);
  const jobs = jobHandlers({ deps, idempotency, feed, views, draining: signal });
  const accounts = accountHandlers(deps, idempotency);
  const artifacts = artifactHandlers(deps);
  const logs = taskLogHandlers(deps, feed, signal);
  const route = (method: string, path: RegExp, handler: unknown, status = 200): Route => ({
    method,
    path,
    handler: handler as AnyHandler,
    status,
  });
  return [
    {
      ...route('PUT', /^\/v1\/tasks\/(?<task>[^/]+)\/attempts\/(?<attempt>[^/]+)\/log$/, logs.appendLog),
      isBinary: true,
    },
    route('POST', /^\/v1\/artifacts$/, artifacts.createArtifact),
    {
      ...route('PATCH', /^\/v1\/artifacts\/(?<sha256>[^/]+)$/, artifacts.appendArtifact),
      isBinary: true,
    },
    route('GET', /^\/v1\/artifacts\/(?<sha256>[^/]+)$/, artifacts.getArtifact),
    route('POST', /^\/v1\/jobs$/, jobs.submitJob, 201),
    route('POST', /^\/v1\/jobs\/batch$/, jobs.submitJobs),
    route('GET', /^\/v1\/jobs\/(?<job>[^/]+)$/, jobs.getJob),
    route('POST', /^\/v1\/jobs\/(?<job>[^/]+)\/cancel$/, jobs.cancelJob),
    route('POST', /^\/v1\/accounts$/, accounts.createAccount, 201),
    route('POST', /^\/v1\/accounts\/(?<account>[^/]+)\/credits$/, accounts.creditAccount, 201),
  ];
}

/** Consumers are known by `account:NAME`, the operator by `operator`; agents by the token of their session. */
function callerOf(deps: ApiDependencies, token: string): Caller | undefined {
  if (token === 'operator' || token.startsWith('account:')) {
    const operator = token === 'operator';
    const account = (operator ? 'acc_operator' : token.slice('account:'.length)) as AccountId;
    return {
      kind: 'key',
      keyId: 'key_simulated',
      account,
      scopes: operator ? ['operator', 'consumer'] : ['consumer'],
      operator,
    };
  }
  const agent = deps.sessions.resolve(token);
  return agent === undefined ? undefined : { kind: 'agent', node: agent.node, provider: agent.provider };
}

interface Addressed {
  readonly caller: Caller;
  readonly params: Readonly<Record<string, string>>;
  readonly query: string;
}

async function answerBy(
  deps: ApiDependencies,
  route: Route,
  request: HttpRequest,
  { caller, params, query }: Addressed,
): Promise<HttpAnswer> {
  const at = deps.now();
  const text = Buffer.from(request.body).toString('utf8');
  const body: unknown =
    route.isBinary === true
      ? Readable.from([Buffer.from(request.body)])
      : text === ''
        ? undefined
        : JSON.parse(text);
  const headers: Record<string, string> = {};
  const queries = Object.fromEntries(new URLSearchParams(query));
  const key = request.headers['idempotency-key'];
  const idempotent =
    key === undefined || caller.kind !== 'key'
      ? undefined
      : idempotentRequest(caller.account, key, { method: request.method, path: request.path, body, at });
  if (idempotent?.ok === false) return refusal(idempotent.refusal, headers);
  const result = await route.handler({
    params: { ...params, attempt: Number(params['attempt'] ?? 0) },
    query: {
      ...(queries['offset'] === undefined ? {} : { offset: Number(queries['offset']) }),
      ...(queries['final'] === undefined ? {} : { final: queries['final'] === 'true' }),
    },
    body,
    headers: request.headers,
    caller,
    idempotent: idempotent?.value,
    headOnly: false,
    at,
    signal: new AbortController().signal,
    requestId: '0',
    setHeader: (name: string, value: string) => {
      headers[name] = value;
    },
  });
  if (!result.ok) return refusal(result.refusal, headers);
  return (await rawAnswer(result.value)) ?? json(route.status, result.value, headers);
}

async function rawAnswer(value: unknown): Promise<HttpAnswer | undefined> {
  const { body, headers, status } = value as Partial<RawAnswer>;
  if (typeof status !== 'number' || headers === undefined || body === undefined) return undefined;
  if (typeof body === 'string') return { status, headers, body: Buffer.from(body) };
  if (body instanceof Uint8Array) return { status, headers, body };
  const parts: Uint8Array[] = [];
  for await (const part of body) parts.push(part as Uint8Array);
  return { status, headers, body: Buffer.concat(parts) };
}

function json(status: number, value: unknown, headers: Readonly<Record<string, string>>): HttpAnswer {
  return { status, headers, body: Buffer.from(JSON.stringify(value)) };
}

function refusal(why: Refusal, headers: Readonly<Record<string, string>>): HttpAnswer {
  const { http, retryable } = errorCatalogue[why.code];
  const offset = headers['upload-offset'];
  const details = {
    ...problemDetails(why, '0'),
    ...(offset === undefined ? {} : { offset: Number(offset) }),
  };
  return json(http, details, { ...headers, ...(retryable ? { 'retry-after': '1' } : {}) });
}

/** In the place of fetch: what the agent's transfers and the consumers use. */
export type Exchange = (request: HttpRequest, signal: AbortSignal | undefined) => Promise<HttpAnswer>;

export function fetchBy(exchange: Exchange): typeof fetch {
  const simulated = async (url: string, init: RequestInit = {}): Promise<unknown> => {
    kernel().current.effect();
    const { pathname, search } = new URL(url);
    const body = init.body ?? new Uint8Array();
    const answer = await exchange(
      {
        method: init.method ?? 'GET',
        path: `${pathname}${search}`,
        headers: (init.headers ?? {}) as Record<string, string>,
        body: typeof body === 'string' ? Buffer.from(body) : (body as Uint8Array),
      },
      init.signal ?? undefined,
    );
    return {
      ok: answer.status < 300,
      status: answer.status,
      headers: { get: (name: string) => answer.headers[name] ?? null },
      body: [answer.body],
    };
  };
  return simulated as typeof fetch;
}
