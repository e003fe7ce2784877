/** One request as the SDK sends it: small bodies, no redirects. */
export interface ExchangeRequest {
  readonly url: URL;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array<ArrayBuffer>;
  readonly signal?: AbortSignal;
}

/** What the SDK reads of an answer. A `Response` is one. */
export interface ExchangeAnswer {
  readonly ok: boolean;
  readonly status: number;
  readonly statusText: string;
  readonly url: string;
  readonly headers: { get(name: string): string | null };
  readonly body: AsyncIterable<Uint8Array> | null;
}

/** Rejects when no answer came. */
export type Exchange = (request: ExchangeRequest) => Promise<ExchangeAnswer>;

/** Works everywhere. */
export function fetchExchange({ url, ...request }: ExchangeRequest): Promise<Response> {
  // Following a redirect would turn a POST into a GET, and may carry the key to another address.
  return fetch(url, { ...request, redirect: 'manual' });
}
