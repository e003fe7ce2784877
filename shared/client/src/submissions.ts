import type { ProblemDetails } from '@capacloud/protocol/catalogue/errors';
import type { ResponseOf } from '@capacloud/protocol/routes/routes';
import type { JobView } from '@capacloud/protocol/routes/views';
import { ApiError } from './api-error.ts';

/** A second request prepares while the first is answered; more of them would only make the batches smaller. */
const requestsInFlight = 2;
const jobsPerRequest = 64;
/** Of JSON text; a body may have 1 MiB. */
const charactersPerRequest = 256 * 1024;

export interface SubmissionCalls {
  one(text: string): Promise<JobView>;
  /** JSON of the body of submitJobs. */
  many(text: string): Promise<ResponseOf<'submitJobs'>>;
}

interface Waiting {
  readonly text: string;
  readonly resolve: (view: JobView) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Gathers submissions as Nagle's algorithm gathers bytes: the first goes at once, and those that come while requests are
 * under way go together in the next. A request for each job would more than double what a job costs the coordinator.
 */
export class Submissions {
  readonly #calls: SubmissionCalls;
  #waiting: Waiting[] = [];
  #inFlight = 0;

  constructor(calls: SubmissionCalls) {
    this.#calls = calls;
  }

  /** JSON of a job file → its view, or what the coordinator had against it. */
  submit(text: string): Promise<JobView> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ text, resolve, reject });
      this.#send();
    });
  }

  #send(): void {
    if (this.#inFlight >= requestsInFlight || this.#waiting.length === 0) return;
    const batch = this.#nextBatch();
    this.#inFlight += 1;
    void this.#exchange(batch).finally(() => {
      this.#inFlight -= 1;
      this.#send();
    });
  }

  #nextBatch(): readonly Waiting[] {
    let count = 0;
    let characters = 0;
    for (const { text } of this.#waiting) {
      characters += text.length;
      if (count === jobsPerRequest || (count > 0 && characters > charactersPerRequest)) break;
      count += 1;
    }
    const batch = this.#waiting.slice(0, count);
    this.#waiting = this.#waiting.slice(count);
    return batch;
  }

  async #exchange(batch: readonly Waiting[]): Promise<void> {
    const [only] = batch;
    if (batch.length === 1 && only !== undefined) {
      await this.#calls.one(only.text).then(only.resolve, only.reject);
      return;
    }
    try {
      const { results } = await this.#calls.many(`{"jobs":[${batch.map(({ text }) => text).join(',')}]}`);
      for (const [index, waiting] of batch.entries()) this.#tell(waiting, results[index]);
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }

  #tell({ text, resolve, reject }: Waiting, result: ResponseOf<'submitJobs'>['results'][number] | undefined) {
    if (result === undefined) reject(new ApiError(shortAnswer));
    else if ('job' in result) resolve(result.job);
    // The call for one job tries again, with the pauses that it takes.
    else if (result.problem.retryable) this.#calls.one(text).then(resolve, reject);
    else reject(new ApiError(result.problem));
  }
}

const shortAnswer: Omit<ProblemDetails, 'type' | 'request_id'> = {
  code: 'service.internal',
  title: 'Unexpected answer',
  status: 200,
  detail: 'The coordinator did not answer for every job.',
  hint: 'List the jobs of the account to see which were taken.',
  retryable: false,
};
