import type { Readable } from 'node:stream';
import type { Result } from '@capacloud/protocol/result';
import type {
  BodyOf,
  ParamsOf,
  QueryOf,
  ResponseOf,
  RouteName,
  Routes,
} from '@capacloud/protocol/routes/routes';
import type { TSchema } from 'typebox';
import type { AgentCaller, Caller, KeyCaller } from './caller.ts';
import type { IdempotentRequest } from './idempotency.ts';

type CallerOf<N extends RouteName> = Routes[N]['auth'] extends 'none'
  ? Caller | undefined
  : Routes[N]['auth'] extends 'agent'
    ? AgentCaller
    : Routes[N]['auth'] extends 'consumer-or-agent'
      ? Caller
      : KeyCaller;

/** A parsed, authenticated request. Binary bodies come as a stream, so that no upload is held in memory. */
export interface Call<N extends RouteName> {
  readonly params: ParamsOf<N>;
  readonly query: QueryOf<N>;
  readonly body: Routes[N] extends { readonly body: 'binary' } ? Readable : BodyOf<N>;
  readonly headers: Readonly<Record<string, string | number | undefined>>;
  readonly caller: CallerOf<N>;
  readonly idempotent: Routes[N] extends { readonly idempotent: true } ? IdempotentRequest : undefined;
  /** Whether only the headers of the answer are wanted. */
  readonly headOnly: boolean;
  /** Unix milliseconds at which the call came in. */
  readonly at: number;
  /** Who calls, for bounds: the account, the node or the address. */
  readonly callerName: string;
  /** Counts as so many calls more against the rate of the caller; the calls that follow wait for it. */
  readonly charge: (calls: number) => void;
  /** Aborts when the caller has gone or the time is up. */
  readonly signal: AbortSignal;
  readonly requestId: string;
  setHeader(name: string, value: string): void;
}

/** An answer that is not JSON. */
export interface RawAnswer {
  readonly status: 200 | 206;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Readable | string | Uint8Array;
}

type AnswerOf<N extends RouteName> = Routes[N]['response'] extends TSchema
  ? ResponseOf<N>
  : Routes[N]['response'] extends 'none'
    ? undefined
    : RawAnswer;

export type Handler<N extends RouteName> = (
  call: Call<N>,
) => Result<AnswerOf<N>> | Promise<Result<AnswerOf<N>>>;

/** One handler a route: a missing one does not compile. */
export type Handlers<N extends RouteName = RouteName> = { readonly [K in N]: Handler<K> };
