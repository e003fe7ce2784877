import type { ErrorCode, ProblemDetails } from '@capacloud/protocol/catalogue/errors';
import { isErrorCode } from '@capacloud/protocol/catalogue/errors';
import {
  type BodyOf,
  type ParamsOf,
  type QueryOf,
  type ResponseOf,
  type Route,
  type RouteName,
  routes,
} from '@capacloud/protocol/routes/routes';
import { type Backoff, backoffMs } from '@capacloud/waiting/backoff';
import { pause } from '@capacloud/waiting/pause';
import { ApiError, networkError } from './api-error.ts';
import { type Exchange, type ExchangeAnswer, type ExchangeRequest, fetchExchange } from './exchange.ts';
import { Submissions } from './submissions.ts';

export interface ClientOptions {
  /** Origin of the coordinator, for example http://127.0.0.1:8080. */
  readonly baseUrl: string;
  readonly apiKey?: string;
  /** Tries of one call in all, for answers that say that a repeat may help. Default 4. */
  readonly maxTries?: number;
  /** How `call` reaches the coordinator. Default `fetch`; `createNodeExchange` of ./node-exchange.ts is cheaper in Node. */
  readonly exchange?: Exchange;
  /** How `open` does. Default `fetch`, which uses a proxy only where Node was told to (NODE_USE_ENV_PROXY=1). */
  readonly opening?: (request: ExchangeRequest) => Promise<Response>;
}

type Optional<K extends string, T> = [T] extends [undefined]
  ? { readonly [P in K]?: undefined }
  : undefined extends T
    ? { readonly [P in K]?: T }
    : { readonly [P in K]: T };
type QueryArgument<N extends RouteName> = [QueryOf<N>] extends [undefined]
  ? { readonly query?: undefined }
  : { readonly query?: QueryOf<N> };

export type CallOptions<N extends RouteName> = Optional<'params', ParamsOf<N>> &
  QueryArgument<N> &
  Optional<'body', BodyOf<N>> & {
    readonly headers?: Readonly<Record<string, string>>;
    readonly signal?: AbortSignal;
    /** For calls that create or spend; made up when absent, so that a retried call happens once. */
    readonly idempotencyKey?: string;
  };

export interface Client {
  readonly baseUrl: string;
  /**
   * Any route of the API, typed by its definition. Throws ApiError; retries what a repeat may mend. Submissions (`submitJob`)
   * that come while others are under way share requests, unless they bring an option besides the body.
   */
  call<N extends RouteName>(name: N, options: CallOptions<N>): Promise<ResponseOf<N>>;
  /** The same, for bodies that are streams or bytes: the raw response, its status checked. */
  open<N extends RouteName>(name: N, options: CallOptions<N>): Promise<Response>;
}

type Plain = string | number | boolean | undefined;

interface LooseOptions {
  readonly params?: Readonly<Record<string, Plain>> | undefined;
  readonly query?: Readonly<Record<string, Plain>> | undefined;
  readonly body?: unknown;
  /** The body as JSON, where it was written already. */
  readonly bodyText?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  readonly idempotencyKey?: string;
}

/** An answer of JSON or text larger than this is not one of ours. */
const maxTextBytes = 64 * 1024 * 1024;

/** A client of one coordinator. It keeps no connection of its own. */
export function createClient(options: ClientOptions): Client {
  const baseUrl = options.baseUrl.replace(/\/+$/, '');
  const maxTries = options.maxTries ?? 4;

  async function withRetries<T, A extends ExchangeAnswer>(
    name: RouteName,
    given: LooseOptions,
    exchange: (request: ExchangeRequest) => Promise<A>,
    read: (answer: A) => Promise<T>,
  ): Promise<T> {
    const route: Route = routes[name];
    const request = buildRequest(baseUrl, options.apiKey, route, given);
    for (let attempt = 1; ; attempt++) {
      const { failure, answer } = await attemptOnce(baseUrl, () => exchange(request), read);
      if (failure === undefined) return answer;
      given.signal?.throwIfAborted();
      // A call without an idempotency key may have happened: only reads and repeatable writes are sent again.
      const repeatable =
        route.method === 'GET' ||
        route.idempotent === true ||
        failure.status === 429 ||
        failure.status === 503;
      if (!failure.retryable || !repeatable || attempt >= maxTries) throw failure;
      await pause(retryDelayMs(attempt, failure.retryAfterS), given.signal);
    }
  }

  const call = <N extends RouteName>(name: N, given: LooseOptions) =>
    withRetries(
      name,
      given,
      options.exchange ?? fetchExchange,
      async (answer) => (await readAnswer(answer, routes[name])) as ResponseOf<N>,
    );
  const submissions = new Submissions({
    one: (bodyText) => call('submitJob', { bodyText }),
    many: (bodyText) => call('submitJobs', { bodyText }),
  });

  return {
    baseUrl,
    open: (name, given) =>
      withRetries(name, given, options.opening ?? fetchExchange, (response) => Promise.resolve(response)),
    call: <N extends RouteName>(name: N, given: CallOptions<N>) =>
      name === 'submitJob' && isBodyAlone(given)
        ? (submissions.submit(JSON.stringify(given.body)) as Promise<ResponseOf<N>>)
        : call(name, given),
  };
}

function isBodyAlone(given: LooseOptions): boolean {
  return given.body !== undefined && Object.keys(given).length === 1;
}

async function readAnswer(response: ExchangeAnswer, route: Route): Promise<unknown> {
  if (response.status === 204) return undefined;
  const text = await readText(response);
  const type = response.headers.get('content-type') ?? 'no type';
  if (type.includes('json')) return JSON.parse(text);
  // A page of a proxy or of another site.
  if (typeof route.response !== 'string')
    throw new ApiError({
      code: 'request.invalid',
      title: 'Unexpected answer',
      status: response.status,
      detail: `${response.url} answered with ${type.split(';')[0] ?? ''} instead of JSON.`,
      hint: 'Check that the address is that of a CapaCloud coordinator.',
      retryable: false,
    });
  return text;
}

async function readText(response: ExchangeAnswer): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > maxTextBytes) throw new Error('the answer is too large');
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

function buildRequest(
  baseUrl: string,
  apiKey: string | undefined,
  route: Route,
  given: LooseOptions,
): ExchangeRequest {
  const path = route.path.replace(/\{(\w+)\}/g, (_, key: string) =>
    encodeURIComponent(String(given.params?.[key] ?? '')),
  );
  const url = new URL(baseUrl + path);
  for (const [key, value] of Object.entries(given.query ?? {}))
    if (value !== undefined) url.searchParams.set(key, String(value));
  const headers: Record<string, string> = { accept: 'application/json', ...given.headers };
  if (apiKey !== undefined) headers.authorization = `Bearer ${apiKey}`;
  if (route.idempotent === true) headers['idempotency-key'] = given.idempotencyKey ?? crypto.randomUUID();
  let body: string | Uint8Array<ArrayBuffer> | undefined;
  if (given.bodyText !== undefined) {
    headers['content-type'] = 'application/json';
    body = given.bodyText;
  } else if (given.body instanceof Uint8Array) {
    headers['content-type'] = 'application/octet-stream';
    body = given.body as Uint8Array<ArrayBuffer>;
  } else if (given.body !== undefined) {
    headers['content-type'] = 'application/json';
    body = JSON.stringify(given.body);
  }
  return {
    url,
    method: route.method,
    headers,
    ...(body === undefined ? {} : { body }),
    ...(given.signal === undefined ? {} : { signal: given.signal }),
  };
}

type Attempt<T> =
  | { readonly failure: ApiError; readonly answer?: never }
  | { readonly failure?: never; readonly answer: T };

/** `read` is part of the try: a connection that breaks inside the body gave no answer either. */
async function attemptOnce<T, A extends ExchangeAnswer>(
  baseUrl: string,
  exchange: () => Promise<A>,
  read: (answer: A) => Promise<T>,
): Promise<Attempt<T>> {
  try {
    const response = await exchange();
    if (response.ok) return { answer: await read(response) };
    return { failure: await readProblem(response) };
  } catch (cause) {
    return { failure: cause instanceof ApiError ? cause : networkError(baseUrl, cause) };
  }
}

async function readProblem(response: ExchangeAnswer): Promise<ApiError> {
  const text = await readText(response).catch(() => '');
  // The other form of the header, a date, is not one that we send.
  const retryAfter = Number(response.headers.get('retry-after') ?? Number.NaN);
  const extra = Number.isFinite(retryAfter) ? { retryAfterS: retryAfter } : {};
  try {
    const details = JSON.parse(text) as Partial<ProblemDetails>;
    if (typeof details.code === 'string' && isErrorCode(details.code)) {
      return new ApiError(
        {
          title: '',
          detail: '',
          hint: '',
          retryable: false,
          ...details,
          status: response.status,
          code: details.code as ErrorCode,
        },
        extra,
      );
    }
  } catch {
    // Not ours: a proxy's page, most likely. Said below in our own words.
  }
  const location = response.headers.get('location');
  return new ApiError(
    {
      code: response.status >= 500 ? 'service.internal' : 'request.invalid',
      title: 'Unexpected answer',
      status: response.status,
      detail: `${response.url} answered ${response.status} ${response.statusText}`.trim(),
      hint:
        location === null
          ? 'Check that the address is that of a CapaCloud coordinator.'
          : `It points to ${location}: use that address if you trust it.`,
      retryable: response.status >= 500 || response.status === 429,
    },
    extra,
  );
}

/** A person waits for most calls, so no pause is longer than a person's patience. */
const betweenTries: Backoff = { baseMs: 200, limitMs: 10_000 };

/** Never shorter than the server asks for, up to a minute. */
function retryDelayMs(attempt: number, retryAfterS: number | undefined): number {
  return Math.max(backoffMs(betweenTries, attempt, Math.random), Math.min(60, retryAfterS ?? 0) * 1000);
}
