import type { Sha256Hex } from '@capacloud/protocol/ids';
import { accept, type Result, refuse } from '@capacloud/protocol/result';
import type { Route } from '@capacloud/protocol/routes/routes';
import { nativeSha256Hex } from '../native-sha256.ts';
import type { ApiKeyRow, ReadStore } from '../ports/read-store.ts';
import type { SessionTokens } from '../ports/session-tokens.ts';
import type { Caller, KeyCaller, Scope } from './caller.ts';

/** Keys that are kept in memory; they change through this API alone, which forgets what it revokes. */
const maxKnownKeys = 10_000;
const bearerPattern = /^Bearer ([A-Za-z0-9_-]{1,128})$/i;
const keyPattern = /^cck_[a-z2-7]{40}$/;

/** The longest that a timer can wait. */
const maxTimerMs = 2 ** 31 - 1;

/** A response that goes on for as long as its key is good. */
export interface Stream {
  once(event: 'close', listener: () => void): unknown;
  destroy(): unknown;
}

/** Bearer credentials → who calls. */
export class Authentication {
  readonly #store: ReadStore;
  readonly #sessions: SessionTokens;
  readonly #now: () => number;
  readonly #known = new Map<Sha256Hex, KeyCaller>();
  readonly #streams = new Map<string, Set<Stream>>();

  constructor(store: ReadStore, sessions: SessionTokens, now: () => number) {
    this.#store = store;
    this.#sessions = sessions;
    this.#now = now;
  }

  /** Undefined when no credentials were sent; a refusal when they are not good. */
  async identify(authorization: string | undefined): Promise<Result<Caller | undefined>> {
    if (authorization === undefined) return accept(undefined);
    const token = bearerPattern.exec(authorization)?.[1];
    if (token === undefined) return refuse('auth.invalid', 'The Authorization header is not a bearer token.');
    if (!token.startsWith('cck_')) {
      const agent = this.#sessions.resolve(token);
      return agent === undefined
        ? refuse('auth.invalid', 'The session of this token is unknown or has ended.')
        : accept({ kind: 'agent', ...agent });
    }
    if (!keyPattern.test(token)) return refuse('auth.invalid', 'This is not an API key.');
    const hash = nativeSha256Hex(token);
    const known = this.#known.get(hash) ?? (await this.#load(hash));
    if (known === undefined) return refuse('auth.invalid', 'The API key is unknown or was revoked.');
    if (known.expiresAt !== undefined && known.expiresAt <= this.#now())
      return refuse('auth.invalid', 'The API key has expired.');
    return accept(known);
  }

  /** Cuts the stream when its key is revoked or expires. */
  follow({ expiresAt, keyId }: KeyCaller, stream: Stream): void {
    const streams = this.#streams.get(keyId) ?? new Set();
    this.#streams.set(keyId, streams);
    streams.add(stream);
    const leftMs = expiresAt === undefined ? maxTimerMs : expiresAt - this.#now();
    const expiry = setTimeout(() => stream.destroy(), Math.min(maxTimerMs, leftMs));
    expiry.unref();
    stream.once('close', () => {
      clearTimeout(expiry);
      streams.delete(stream);
      if (streams.size === 0 && this.#streams.get(keyId) === streams) this.#streams.delete(keyId);
    });
  }

  /** Of a key that was revoked, nothing is left in memory, and no stream goes on. */
  forget(keyId: string): void {
    for (const [hash, known] of this.#known) if (known.keyId === keyId) this.#known.delete(hash);
    for (const stream of this.#streams.get(keyId) ?? []) stream.destroy();
  }

  async #load(hash: Sha256Hex): Promise<KeyCaller | undefined> {
    const row = await this.#store.getApiKey(hash);
    if (row === undefined || row.revokedAt !== undefined) return undefined;
    if (this.#known.size >= maxKnownKeys) this.#known.clear();
    const known = callerOf(row);
    this.#known.set(hash, known);
    return known;
  }
}

function callerOf(row: ApiKeyRow): KeyCaller {
  const scopes = scopesOf(row);
  return {
    kind: 'key',
    keyId: row.id,
    ...(row.expiresAt === undefined ? {} : { expiresAt: row.expiresAt }),
    account: row.account,
    scopes,
    operator: scopes.includes('operator'),
  };
}

/** Scopes are stored as words with a space between them. */
export function scopesOf(row: ApiKeyRow): readonly Scope[] {
  return row.scopes
    .split(' ')
    .filter((scope): scope is Scope => scope === 'consumer' || scope === 'operator');
}

/** Whether the route is open to the caller. */
export function authorise(route: Route, caller: Caller | undefined): Result<Caller | undefined> {
  if (route.auth === 'none') return accept(caller);
  if (caller === undefined) return refuse('auth.missing', 'This call needs credentials.');
  const needed = route.auth;
  if (caller.kind === 'agent')
    return needed === 'agent' || needed === 'consumer-or-agent'
      ? accept(caller)
      : refuse('auth.forbidden', `This call needs an API key with the scope ${needed}.`);
  if (needed === 'agent') return refuse('auth.forbidden', 'This call is for agents with an open session.');
  if (needed === 'operator' && !caller.operator)
    return refuse('auth.forbidden', 'This call needs an API key with the scope operator.');
  return accept(caller);
}
