import { createHash, randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ApiError } from '@capacloud/client/api-error';
import { hashFile, uploadArtifact } from '@capacloud/client/artifact-files';
import type { Client } from '@capacloud/client/client';
import type { JobId } from '@capacloud/protocol/ids';
import { endedJobStates } from '@capacloud/protocol/routes/states';
import { waitUntil } from '@capacloud/rig/programs/managed-process';

/** What must have become of a task, whatever was killed meanwhile. */
export type ExpectedTask =
  | { readonly state: 'succeeded'; readonly output: string; readonly log: string }
  | { readonly state: 'failed'; readonly exitCode: number; readonly ownErrors: number }
  /** Nobody runs it at its price. */
  | { readonly state: 'cancelled' };

export interface ExpectedJob {
  readonly id: JobId;
  readonly name: string;
  readonly tasks: readonly ExpectedTask[];
}

export const outputPath = '/out/result.txt';
const tasksPerJob = 6;
const maxOwnErrors = 2;
const persistMs = 60_000;
const submittersOfCheapJobs = 3;
const maxCheapJobs = 200;

/**
 * Of six tasks one fails with a code that is not retried, one with a code that is retried in vain, and one with that
 * code at its first attempt only. The others take different times, so that kills meet them in different stages.
 */
const program = `
I=$CAPACLOUD_TASK_INDEX
echo "start $I"
case $((I % 6)) in
  0) sleep 1.5 ;;
  1) sleep 0.4 ;;
  2) if [ "$CAPACLOUD_ATTEMPT" = 1 ]; then exit 4; fi ;;
  4) exit 3 ;;
  5) exit 4 ;;
esac
{ cat /in/seed.txt; echo "$((I * I + 7))"; } > ${outputPath}
echo "end $I"
`;

function expectTask(index: number, seed: string): ExpectedTask {
  switch (index % 6) {
    case 4:
      return { state: 'failed', exitCode: 3, ownErrors: 1 };
    case 5:
      return { state: 'failed', exitCode: 4, ownErrors: maxOwnErrors };
    default:
      return {
        state: 'succeeded',
        output: `${seed}${index * index + 7}\n`,
        log: `start ${index}\nend ${index}\n`,
      };
  }
}

function jobFile(name: string, image: string, seedSha256: string): unknown {
  return {
    version: '1',
    name,
    image,
    command: program,
    replicas: tasksPerJob,
    resources: { cpu: 0.1, memory: '32Mi', disk: '4Mi' },
    inputs: [{ source: `artifact:${seedSha256}`, target: '/in/seed.txt' }],
    outputs: [{ path: outputPath }],
    timeout: '2m',
    stop_grace_period: '1s',
    retry: {
      max_attempts: maxOwnErrors,
      on: ['error'],
      exit_codes: [4],
      backoff: { initial: '1s', max: '1s' },
      provider_lost: 100,
    },
    price: { max_per_hour: '1', currency: 'CAPA' },
  };
}

/** Costs a kill nothing but a submission: no node works for so little, so it waits until it is cancelled. */
function cheapJobFile(name: string, image: string): unknown {
  const price = { max_per_hour: '0.000001', currency: 'CAPA' };
  return { version: '1', name, image, command: 'true', replicas: 2, timeout: '1m', price };
}

/** Submits jobs while things are killed, each exactly once as far as it knows, and a few at a time. */
export class Workload {
  readonly jobs: ExpectedJob[] = [];
  readonly #cheap: ExpectedJob[] = [];
  #submitted = 0;
  readonly #client: Client;
  readonly #image: string;
  readonly #dir: string;
  readonly #liveJobs: number;

  constructor(client: Client, image: string, dir: string, liveJobs: number) {
    this.#liveJobs = liveJobs;
    this.#client = client;
    this.#image = image;
    this.#dir = dir;
  }

  get taskCount(): number {
    return this.jobs.reduce((count, { tasks }) => count + tasks.length, 0);
  }

  /** Keeps a few jobs going until the signal is aborted. */
  async run(until: AbortSignal): Promise<void> {
    const live = new Set<JobId>();
    while (!until.aborted) {
      for (const id of live) if (await this.#hasEnded(id)) live.delete(id);
      if (live.size < this.#liveJobs) live.add((await this.#submit()).id);
      else await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }

  /** Submits jobs as fast as the coordinator takes them, so that its kills meet submissions in all their stages. */
  async runCheap(until: AbortSignal): Promise<void> {
    let count = 0;
    const submit = async () => {
      while (!until.aborted && count < maxCheapJobs) {
        const name = `cheap-${count++}`;
        const tasks = [{ state: 'cancelled' }, { state: 'cancelled' }] as const;
        this.#cheap.push(await this.#submitFile(name, cheapJobFile(name, this.#image), tasks));
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    };
    await Promise.all(Array.from({ length: submittersOfCheapJobs }, submit));
  }

  async waitForAll(timeoutMs: number, signal: AbortSignal): Promise<void> {
    for (const job of this.#cheap) await this.#cancel(job.id);
    const left = new Set(this.jobs.map(({ id }) => id));
    await waitUntil(
      'every job to end',
      async () => {
        for (const id of left) if (await this.#hasEnded(id)) left.delete(id);
        return left.size === 0;
      },
      { timeoutMs, intervalMs: 200, signal },
    );
  }

  async #submit(): Promise<ExpectedJob> {
    const name = `chaos-${this.#submitted++}`;
    const seed = `seed of ${name}, ${createHash('sha256').update(randomUUID()).digest('hex')}\n`;
    const file = join(this.#dir, `${name}.txt`);
    await writeFile(file, seed);
    const sha256 = await hashFile(file);
    await persist(() => uploadArtifact(this.#client, file, { sha256 }));
    const tasks = Array.from({ length: tasksPerJob }, (_, index) => expectTask(index, seed));
    return this.#submitFile(name, jobFile(name, this.#image, sha256), tasks);
  }

  async #submitFile(name: string, body: unknown, tasks: readonly ExpectedTask[]): Promise<ExpectedJob> {
    // The same key for every try: whichever of them arrived, the job is there once.
    const idempotencyKey = randomUUID();
    const view = await persist(() => this.#client.call('submitJob', { body, idempotencyKey }));
    const job = { id: view.id, name, tasks };
    this.jobs.push(job);
    return job;
  }

  async #cancel(job: JobId): Promise<void> {
    await persist(() => this.#client.call('cancelJob', { params: { job } }));
  }

  async #hasEnded(job: JobId): Promise<boolean> {
    const view = await persist(() => this.#client.call('getJob', { params: { job } }));
    return endedJobStates.includes(view.state);
  }
}

/** Repeats a call that the client itself has given up, for as long as another try may help. */
async function persist<T>(call: () => Promise<T>): Promise<T> {
  const deadline = performance.now() + persistMs;
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof ApiError) || !error.retryable || performance.now() > deadline) throw error;
    }
  }
}
