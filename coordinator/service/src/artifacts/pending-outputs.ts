import type { AttemptRef } from '@capacloud/protocol/frames';
import type { AccountId, Sha256Hex } from '@capacloud/protocol/ids';

interface Pending {
  readonly ref: AttemptRef;
  readonly files: Set<Sha256Hex>;
  bytes: number;
}

/** Files of one attempt that are told apart; of more, a repeated one counts again. */
const maxFiles = 4096;

/**
 * What nodes bring for a consumer's attempts counts against the consumer's storage from when it is announced, though the
 * consumer refers to it only once the task has succeeded. Kept in memory: after a restart the agents announce again.
 */
export class PendingOutputs {
  readonly #byAccount = new Map<AccountId, Map<string, Pending>>();
  readonly #isUnderWay: (ref: AttemptRef) => boolean;

  /** What has ended is counted by its claim, or not at all. */
  constructor(isUnderWay: (ref: AttemptRef) => boolean) {
    this.#isUnderWay = isUnderWay;
  }

  add(account: AccountId, ref: AttemptRef, sha256: Sha256Hex, sizeBytes: number): void {
    const attempts = this.#byAccount.get(account) ?? new Map<string, Pending>();
    this.#byAccount.set(account, attempts);
    const pending = attempts.get(keyOf(ref)) ?? { ref, files: new Set(), bytes: 0 };
    attempts.set(keyOf(ref), pending);
    if (pending.files.has(sha256)) return;
    if (pending.files.size < maxFiles) pending.files.add(sha256);
    pending.bytes += sizeBytes;
  }

  ofAttempt(account: AccountId, ref: AttemptRef): number {
    return this.#byAccount.get(account)?.get(keyOf(ref))?.bytes ?? 0;
  }

  ofAccount(account: AccountId): number {
    const attempts = this.#byAccount.get(account);
    if (attempts === undefined) return 0;
    let bytes = 0;
    for (const [key, pending] of attempts) {
      if (this.#isUnderWay(pending.ref)) bytes += pending.bytes;
      else attempts.delete(key);
    }
    if (attempts.size === 0) this.#byAccount.delete(account);
    return bytes;
  }
}

function keyOf({ attempt, task }: AttemptRef): string {
  return `${task}#${attempt}`;
}
