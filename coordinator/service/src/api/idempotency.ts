import type { AccountId, Sha256Hex } from '@capacloud/protocol/ids';
import { accept, type Result, refuse } from '@capacloud/protocol/result';
import { apiLimits } from '@capacloud/protocol/routes/routes';
import { nativeSha256Hex } from '../native-sha256.ts';
import type { ReadStore } from '../ports/read-store.ts';
import type { Aside } from '../ports/sequencer.ts';

export interface IdempotentRequest {
  readonly account: AccountId;
  readonly key: string;
  /** What makes it the same request: method, path and parsed body. */
  readonly hash: Sha256Hex;
  readonly at: number;
}

/** The answer as it was first given. */
export interface StoredAnswer {
  readonly status: number;
  readonly body: string;
  readonly replayed: boolean;
}

/** Makes the row that is committed together with the events of the request. */
export type AsideOf = (body: string) => Aside;
type Perform = (asideOf: AsideOf) => Promise<Result<string>>;

const keyPattern = new RegExp(`^[\\x21-\\x7e]{1,${apiLimits.idempotencyKeyChars}}$`);

export function idempotentRequest(
  account: AccountId,
  key: unknown,
  call: { readonly method: string; readonly path: string; readonly body: unknown; readonly at: number },
): Result<IdempotentRequest> {
  if (key === undefined || key === '')
    return refuse('idempotency.required', 'This call needs an Idempotency-Key header.');
  if (typeof key !== 'string' || !keyPattern.test(key))
    return refuse(
      'idempotency.required',
      `An Idempotency-Key is 1 to ${apiLimits.idempotencyKeyChars} visible ASCII characters.`,
    );
  const text = JSON.stringify([call.method, call.path, call.body]);
  return accept({ account, key, hash: nativeSha256Hex(text), at: call.at });
}

/**
 * The same key does the same thing once. The answer is durable in the commit of what it answers; a twin that
 * arrives meanwhile waits for the first. A refusal is not kept: the request may be sent again when it can succeed.
 */
export class Idempotency {
  readonly #store: ReadStore;
  readonly #running = new Map<string, { readonly hash: Sha256Hex; readonly answer: Promise<unknown> }>();

  constructor(store: ReadStore) {
    this.#store = store;
  }

  async once(request: IdempotentRequest, status: number, perform: Perform): Promise<Result<StoredAnswer>> {
    const running = `${request.account} ${request.key}`;
    for (;;) {
      const twin = this.#running.get(running);
      if (twin === undefined) break;
      if (twin.hash !== request.hash) return mismatch();
      await twin.answer;
    }
    const answer = this.#answer(request, status, perform);
    const settled = answer.then(
      () => undefined,
      () => undefined,
    );
    this.#running.set(running, { hash: request.hash, answer: settled });
    try {
      return await answer;
    } finally {
      this.#running.delete(running);
    }
  }

  async #answer(request: IdempotentRequest, status: number, perform: Perform): Promise<Result<StoredAnswer>> {
    const { account, key, hash, at } = request;
    const row = await this.#store.getIdempotency(account, key);
    // guard: answer with the first answer
    if (row !== undefined) {
      if (row.requestHash !== hash) return mismatch();
      return accept({ status: row.status, body: row.body, replayed: true });
    }
    const done = await perform((body) => ({
      kind: 'idempotency',
      account,
      key,
      requestHash: hash,
      status,
      body,
      at,
    }));
    return done.ok ? accept({ status, body: done.value, replayed: false }) : done;
  }
}

function mismatch(): Result<never> {
  return refuse('idempotency.mismatch', 'This Idempotency-Key was used for another request.');
}
