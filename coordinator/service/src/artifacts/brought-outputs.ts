import type { State } from '@capacloud/core/state';
import { type AccountId, jobIdOf, type Sha256Hex } from '@capacloud/protocol/ids';
import { attemptName } from '@capacloud/protocol/wire/attempt-name';
import type { AttemptRef } from '@capacloud/protocol/wire/frames';
import type { ArtifactIndex, BroughtFile } from '../ports/artifact-index.ts';
import { type Allowance, isBeforeUploading, isUnderWay, type NodeAttempt } from './upload-rights.ts';

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
  readonly #state: Pick<State, 'jobs' | 'nodes' | 'tasks'>;
  readonly #byAttempt = new Map<string, Brought>();
  readonly #byAccount = new Map<AccountId, Set<Brought>>();

  constructor(
    index: Pick<ArtifactIndex, 'bring' | 'dropBrought' | 'listBrought'>,
    state: Pick<State, 'jobs' | 'nodes' | 'tasks'>,
  ) {
    this.#index = index;
    this.#state = state;
  }

  /** Finds what an earlier run was brought. */
  async restore(): Promise<void> {
    for (const file of await this.#index.listBrought()) this.#count(file);
  }

  async note(files: readonly BroughtFile[]): Promise<void> {
    await this.#index.bring(files);
    for (const file of files) this.#count(file, files.length > 1);
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

  bytesFor(consumer: AccountId): number {
    let bytes = 0;
    for (const brought of this.#byAccount.get(consumer) ?? [])
      if (isUnderWay(this.#state, brought.attempt)) bytes += brought.bytes;
    return bytes;
  }

  /**
   * Drops what nobody can claim any more, and what came before `before` for attempts that still do not upload. `settled`
   * resolves when all that has happened so far is durable and claimed.
   */
  async dropUseless(before: number, settled: () => Promise<void>): Promise<void> {
    const useless = [...this.#byAttempt.values()].filter(
      ({ attempt, lastAt }) =>
        !isUnderWay(this.#state, attempt) || (lastAt < before && isBeforeUploading(this.#state, attempt)),
    );
    if (useless.length === 0) return;
    await settled();
    for (const brought of useless) await this.#drop(brought);
  }

  #count({ at, attempt, node, sha256, sizeBytes, task }: BroughtFile, isShared = false): void {
    const key = attemptName({ task, attempt });
    let brought = this.#byAttempt.get(key);
    if (brought === undefined) {
      const consumer = this.#state.jobs.get(jobIdOf(task))?.consumer;
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
    for (const ref of this.#state.nodes.get(brought.attempt.node)?.occupied.values() ?? [])
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
