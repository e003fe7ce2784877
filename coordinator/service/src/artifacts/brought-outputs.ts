import { type AccountId, jobIdOf, type Sha256Hex } from '@capacloud/protocol/ids';
import { attemptName } from '@capacloud/protocol/wire/attempt-name';
import type { AttemptRef } from '@capacloud/protocol/wire/frames';
import type { ArtifactIndex, BroughtFile } from '../ports/artifact-index.ts';
import type { ArtifactQuestions, NodeAttempt } from '../ports/questions.ts';
import type { JobAccounts } from './job-accounts.ts';
import type { Allowance } from './upload-rights.ts';

interface Brought {
  readonly attempt: NodeAttempt;
  readonly consumer: AccountId | undefined;
  readonly files: Map<Sha256Hex, number>;
  /** Of an agent that names no attempt: they were brought for all that its node held. */
  readonly shared: Set<Sha256Hex>;
  /** Sizes of the files that count for this attempt. */
  readonly counted: Map<Sha256Hex, number>;
  bytes: number;
  lastAt: number;
}

/**
 * What nodes have uploaded and no receipt has claimed yet, by attempt. It counts against the storage of the attempt's
 * consumer while the node holds the attempt. The rows are in the index; this is their sum in memory.
 */
export class BroughtOutputs {
  readonly #index: Pick<ArtifactIndex, 'bring' | 'dropBrought' | 'listBrought'>;
  readonly #questions: Pick<ArtifactQuestions, 'heldBy' | 'stagesOf'>;
  readonly #accounts: Pick<JobAccounts, 'of'>;
  readonly #byAttempt = new Map<string, Brought>();
  readonly #byAccount = new Map<AccountId, Set<Brought>>();

  constructor(
    index: Pick<ArtifactIndex, 'bring' | 'dropBrought' | 'listBrought'>,
    questions: Pick<ArtifactQuestions, 'heldBy' | 'stagesOf'>,
    accounts: Pick<JobAccounts, 'of'>,
  ) {
    this.#index = index;
    this.#questions = questions;
    this.#accounts = accounts;
  }

  /** Finds what an earlier run was brought. */
  async restore(): Promise<void> {
    for (const file of await this.#index.listBrought())
      this.#count(file, await this.#accounts.of(jobIdOf(file.task)), false);
  }

  async note(files: readonly BroughtFile[]): Promise<void> {
    const consumers = await Promise.all(files.map(({ task }) => this.#accounts.of(jobIdOf(task))));
    await this.#index.bring(files);
    for (const [i, file] of files.entries()) this.#count(file, consumers[i], files.length > 1);
  }

  /** Its size, where it was uploaded for each of the attempts. */
  sizeOf(attempts: readonly AttemptRef[], sha256: Sha256Hex): number | undefined {
    const [size, ...others] = attempts.map((attempt) =>
      this.#byAttempt.get(attemptName(attempt))?.files.get(sha256),
    );
    return others.includes(undefined) ? undefined : size;
  }

  /** Distinct files of the attempts. */
  usedBy(attempts: readonly AttemptRef[]): Allowance {
    const files = new Map<Sha256Hex, number>();
    for (const attempt of attempts)
      for (const [sha256, size] of this.#byAttempt.get(attemptName(attempt))?.counted ?? [])
        files.set(sha256, size);
    let bytes = 0;
    for (const size of files.values()) bytes += size;
    return { bytes, files: files.size };
  }

  async bytesFor(consumer: AccountId): Promise<number> {
    const ofAccount = [...(this.#byAccount.get(consumer) ?? [])];
    if (ofAccount.length === 0) return 0;
    const stages = await this.#questions.stagesOf(ofAccount.map(({ attempt }) => attempt));
    return ofAccount.reduce((sum, { bytes }, i) => (stages[i] === undefined ? sum : sum + bytes), 0);
  }

  /**
   * Drops what nobody can claim any more, and what came before `before` for attempts that still do not upload. `settled`
   * resolves when all that has happened so far is durable and claimed.
   */
  async dropUseless(before: number, settled: () => Promise<void>): Promise<void> {
    const all = [...this.#byAttempt.values()];
    if (all.length === 0) return;
    const stages = await this.#questions.stagesOf(all.map(({ attempt }) => attempt));
    const useless = all.filter(({ lastAt }, i) => {
      const stage = stages[i];
      return stage === undefined || (lastAt < before && stage === 'early');
    });
    if (useless.length === 0) return;
    await settled();
    for (const brought of useless) await this.#drop(brought);
  }

  #count(
    { at, attempt, node, sha256, sizeBytes, task }: BroughtFile,
    consumer: AccountId | undefined,
    isShared: boolean,
  ): void {
    const key = attemptName({ task, attempt });
    let brought = this.#byAttempt.get(key);
    if (brought === undefined) {
      brought = {
        attempt: { task, attempt, node },
        consumer,
        files: new Map(),
        shared: new Set(),
        counted: new Map(),
        bytes: 0,
        lastAt: at,
      };
      this.#byAttempt.set(key, brought);
      if (consumer !== undefined)
        this.#byAccount.set(consumer, (this.#byAccount.get(consumer) ?? new Set()).add(brought));
    }
    brought.lastAt = Math.max(brought.lastAt, at);
    if (brought.files.has(sha256)) return;
    brought.files.set(sha256, sizeBytes);
    if (isShared) brought.shared.add(sha256);
    brought.counted.set(sha256, sizeBytes);
    brought.bytes += sizeBytes;
  }

  async #drop(brought: Brought): Promise<void> {
    await this.#index.dropBrought(brought.attempt);
    this.#byAttempt.delete(attemptName(brought.attempt));
    if (brought.consumer !== undefined) {
      const ofAccount = this.#byAccount.get(brought.consumer);
      ofAccount?.delete(brought);
      if (ofAccount?.size === 0) this.#byAccount.delete(brought.consumer);
    }
    // A file that was brought for all attempts of the node belonged to one of them; no other need pay for it any more.
    for (const ref of await this.#questions.heldBy(brought.attempt.node))
      this.#discount(this.#byAttempt.get(attemptName(ref)), brought.shared);
  }

  #discount(brought: Brought | undefined, files: ReadonlySet<Sha256Hex>): void {
    if (brought === undefined) return;
    for (const sha256 of files) {
      if (!brought.shared.has(sha256)) continue;
      brought.bytes -= brought.counted.get(sha256) ?? 0;
      brought.counted.delete(sha256);
    }
  }
}
