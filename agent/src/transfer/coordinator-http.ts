import { setTimeout as sleep } from 'node:timers/promises';
import { roomErrors } from '@capacloud/protocol/catalogue/errors';
import { type Backoff, backoffMs } from '@capacloud/waiting/backoff';
import type { CoordinatorAccess } from '../core/session-port.ts';

const withoutRoom: ReadonlySet<string> = new Set(roomErrors);

/** The coordinator will not do it, however often it is asked; or not now, for want of room. */
export class TransferRefused extends Error {
  override readonly name = 'TransferRefused';
  /** The coordinator has no room for it now, or a disk that cannot be written: later the same may be taken. */
  readonly isWithoutRoom: boolean;
  readonly status: number;
  readonly code: string;
  /** Offset that the coordinator wants next, when it said so. */
  readonly offset: number | undefined;

  constructor(status: number, code: string, message: string, offset: number | undefined) {
    super(message);
    this.status = status;
    this.code = code;
    this.isWithoutRoom = withoutRoom.has(code);
    this.offset = offset;
  }
}

/** As the global `fetch`; proxies and private certificates are its business. Redirects are not followed. */
export type Fetch = (
  url: string,
  init: {
    readonly method: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly body: Uint8Array<ArrayBuffer> | string | null;
    readonly signal: AbortSignal;
    readonly redirect: 'error';
  },
) => Promise<Response>;

interface Call {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH';
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array<ArrayBuffer> | string;
}

const tryTimeoutMs = 60_000;
/** A restart of the coordinator takes seconds, and a longer pause would leave a lease unused. */
const betweenTries: Backoff = { baseMs: 250, limitMs: 10_000 };
const maxAnswerBytes = 64 * 1024;

/**
 * Calls of the coordinator's HTTP routes with the session's token. Tries again, with backoff, through lost
 * sessions, restarts and overload until the signal says stop; throws TransferRefused when that cannot help.
 */
export class CoordinatorHttp {
  readonly #access: CoordinatorAccess;
  readonly #fetch: Fetch;

  constructor(access: CoordinatorAccess, send: Fetch = (url, init) => fetch(url, init)) {
    this.#access = access;
    this.#fetch = send;
  }

  /** Version that the session speaks, once one is open. */
  async protocol(signal: AbortSignal): Promise<number> {
    for (;;) {
      await this.#access.whenOpen(signal);
      const protocol = this.#access.protocol();
      if (protocol !== undefined) return protocol;
    }
  }

  /** The JSON object that answered. */
  async call(call: Call, signal: AbortSignal): Promise<Readonly<Record<string, unknown>>> {
    return this.#persist(call, signal, async (response) => readJson(response));
  }

  /** Hands the answer to `take`; what that throws counts as a broken connection, and all is tried again. */
  async download(
    prepare: () => Promise<Call>,
    take: (response: Response, signal: AbortSignal) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    await this.#persist(prepare, signal, take, false);
  }

  async #persist<T>(
    source: Call | (() => Promise<Call>),
    signal: AbortSignal,
    take: (response: Response, signal: AbortSignal) => Promise<T>,
    isShort = true,
  ): Promise<T> {
    for (let failures = 0; ; failures++) {
      await this.#access.whenOpen(signal);
      const token = this.#access.token();
      const call = typeof source === 'function' ? await source() : source;
      let pauseMs = backoffMs(betweenTries, failures + 1, Math.random);
      try {
        const limit = isShort ? AbortSignal.any([signal, AbortSignal.timeout(tryTimeoutMs)]) : signal;
        const response = await this.#fetch(`${this.#access.baseUrl}${call.path}`, {
          method: call.method,
          headers: { ...call.headers, authorization: `Bearer ${token ?? ''}` },
          body: call.body ?? null,
          redirect: 'error',
          signal: limit,
        });
        if (response.ok) return await take(response, signal);
        const refusal = await readRefusal(response);
        if (!mayHelp(response.status) || refusal.isWithoutRoom) throw refusal;
        pauseMs = Math.max(pauseMs, retryAfterMs(response));
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof TransferRefused) throw error;
      }
      await sleep(pauseMs, undefined, { signal });
    }
  }
}

/** 401 is the token of a session that ended: the next one brings a new token. */
function mayHelp(status: number): boolean {
  return status >= 500 || status === 401 || status === 408 || status === 429;
}

function retryAfterMs(response: Response): number {
  const seconds = Number(response.headers.get('retry-after') ?? 0);
  return Number.isFinite(seconds) ? Math.min(30, Math.max(0, seconds)) * 1000 : 0;
}

async function readJson(response: Response): Promise<Readonly<Record<string, unknown>>> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of response.body ?? []) {
    bytes += part.length;
    if (bytes > maxAnswerBytes) throw new Error('the answer of the coordinator is too long');
    parts.push(part);
  }
  const value: unknown = JSON.parse(Buffer.concat(parts).toString('utf8'));
  if (typeof value !== 'object' || value === null)
    throw new Error('the answer of the coordinator is no object');
  return value as Readonly<Record<string, unknown>>;
}

async function readRefusal(response: Response): Promise<TransferRefused> {
  let problem: Readonly<Record<string, unknown>> = {};
  try {
    problem = await readJson(response);
  } catch {
    // The status alone says enough.
  }
  const { code, detail, offset } = problem;
  return new TransferRefused(
    response.status,
    typeof code === 'string' ? code : `http_${response.status}`,
    typeof detail === 'string' ? detail : `the coordinator answered ${response.status}`,
    typeof offset === 'number' && Number.isSafeInteger(offset) && offset >= 0 ? offset : undefined,
  );
}
