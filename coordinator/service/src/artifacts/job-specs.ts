import type { JobId, Sha256Hex } from '@capacloud/protocol/ids';
import type { JobSpec } from '@capacloud/protocol/job-spec';
import type { ReadStore } from '../ports/read-store.ts';

export interface JobFiles {
  readonly inputs: ReadonlySet<Sha256Hex>;
  readonly hasOutputs: boolean;
}

const maxJobs = 10_000;
const noFiles: JobFiles = { inputs: new Set(), hasOutputs: false };

/** What jobs read and write; specs never change, so they are kept, up to a bound. */
export class JobSpecs {
  readonly #store: ReadStore;
  readonly #files = new Map<JobId, JobFiles>();

  constructor(store: ReadStore) {
    this.#store = store;
  }

  /** Undefined when it is not in memory. */
  known(job: JobId): JobFiles | undefined {
    return this.#files.get(job);
  }

  async filesOf(job: JobId): Promise<JobFiles> {
    const known = this.#files.get(job);
    if (known !== undefined) return known;
    const row = await this.#store.getJobSpec(job);
    if (row === undefined) return noFiles;
    const spec = JSON.parse(row.spec) as JobSpec;
    const files: JobFiles = {
      inputs: new Set(spec.inputs.map((input) => input.sha256)),
      hasOutputs: spec.outputs.length > 0,
    };
    if (this.#files.size >= maxJobs) {
      const [oldest] = this.#files.keys();
      if (oldest !== undefined) this.#files.delete(oldest);
    }
    this.#files.set(job, files);
    return files;
  }
}
