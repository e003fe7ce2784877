import type { JobId } from '@capacloud/protocol/ids';
import type { JobSpec } from '@capacloud/protocol/job/job-spec';
import type { ReadStore } from './ports/read-store.ts';

/** What of a spec is the same in memory and in the store: amounts are text there. */
export type RunSpec = Omit<JobSpec, 'price'> & { readonly price: Pick<JobSpec['price'], 'currency'> };

/** Specs of one generation: how many, and how many characters of JSON in all. Two generations are kept. */
const maxSpecs = 5000;
const maxCharacters = 32 * 2 ** 20;

/**
 * The specs of jobs, which never change: those of late in memory, the others from the store. Most jobs are placed, run and
 * paid while theirs is still here, so that nothing of it is read or parsed again.
 */
export class JobSpecs {
  readonly #store: Pick<ReadStore, 'getJobSpec'>;
  /** To drop a generation costs nothing; to find the oldest of a map that loses its oldest again and again does. */
  #young = new Map<JobId, RunSpec>();
  #old = new Map<JobId, RunSpec>();
  #characters = 0;

  constructor(store: Pick<ReadStore, 'getJobSpec'>) {
    this.#store = store;
  }

  /** Undefined when it is not in memory. */
  known(job: JobId): RunSpec | undefined {
    return this.#young.get(job) ?? this.#old.get(job);
  }

  /** Undefined when there is no such job. */
  async get(job: JobId): Promise<RunSpec | undefined> {
    const known = this.known(job);
    if (known !== undefined) return known;
    const row = await this.#store.getJobSpec(job);
    if (row === undefined) return undefined;
    // Written by ourselves, from a parsed job file.
    const spec = JSON.parse(row.spec) as RunSpec;
    this.keep(job, spec, row.spec.length);
    return spec;
  }

  /** Keeps the spec of a job, which is so many characters of JSON long; the oldest make room. */
  keep(job: JobId, spec: RunSpec, characters: number): void {
    if (this.#young.size >= maxSpecs || this.#characters + characters > maxCharacters) {
      this.#old = this.#young;
      this.#young = new Map();
      this.#characters = 0;
    }
    this.#young.set(job, spec);
    this.#characters += characters;
  }

  forget(job: JobId): void {
    this.#young.delete(job);
    this.#old.delete(job);
  }
}
