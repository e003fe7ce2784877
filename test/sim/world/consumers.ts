import { Actor } from '../kernel/actor.ts';
import { kernel } from '../kernel/kernel.ts';
import { Link } from '../kernel/network.ts';
import { Prng } from '../kernel/prng.ts';
import { type HttpAnswer, servers } from '../kernel/servers.ts';
import type { JobPlan } from './job-plans.ts';
import type { Plan } from './plan.ts';
import type { Watch } from './watch.ts';

/** A client waits this long before it asks again, and twice as long each time up to the limit. */
const firstPauseMs = 300;
const longestPauseMs = 5000;
const answerMs = 20_000;
/** Refusals that a job file, an empty account, or what became of others can bring about. */
const expected = ['ledger.insufficient_funds', 'quota.exceeded', 'job.terminal', 'job.image_poisoned'];
/** One job in so many is submitted in a batch. */
const batchEvery = 4;

/** The consumers and the operator: they ask until they are answered, each request under one Idempotency-Key. */
export class Consumers {
  readonly link = new Link('consumers');
  readonly #actor: Actor;
  readonly #watch: Watch;
  readonly #plan: Plan;
  #open = 0;

  constructor(plan: Plan, watch: Watch) {
    this.#plan = plan;
    this.#watch = watch;
    this.#actor = new Actor('consumers', new Prng(plan.seed, 'consumers'), 0);
    servers().connectBy(this.#actor, this.link);
  }

  /** No request is under way or to come. */
  get isDone(): boolean {
    return this.#open === 0;
  }

  start(): void {
    this.#open = this.#plan.jobs.length;
    kernel().schedule(0, this.#actor, 'operator grants', () => void this.#prepare());
  }

  async #prepare(): Promise<void> {
    for (let n = 0; n < this.#plan.consumers; n++) {
      const account = accountOf(n);
      await this.#ask('operator', 'POST', '/v1/accounts', `open-${n}`, { id: account });
      const amount = { amount_nano: this.#plan.grantsNano[n] };
      await this.#ask('operator', 'POST', `/v1/accounts/${account}/credits`, `grant-${n}`, amount);
    }
    for (const [index, job] of this.#plan.jobs.entries()) {
      const delayMs = Math.max(0, job.atMs - kernel().nowMs);
      kernel().schedule(delayMs, this.#actor, `submit ${index}`, () => void this.#submit(job, index));
    }
  }

  async #submit(job: JobPlan, index: number): Promise<void> {
    const account = accountOf(job.consumer);
    const key = `job-${index}`;
    const id = await this.#submitted(`account:${account}`, key, job.file, index % batchEvery === 0);
    if (id !== undefined && job.cancelAfterMs !== undefined)
      await this.#cancel(account, id, job.cancelAfterMs, job.isStubborn);
    this.#open -= 1;
  }

  /** Id of the job; undefined when it was refused. In a batch it has a neighbour that is wrong. */
  async #submitted(token: string, key: string, file: unknown, inBatch: boolean): Promise<string | undefined> {
    if (inBatch) {
      const answer = await this.#ask(token, 'POST', '/v1/jobs/batch', key, { jobs: [{}, file] });
      const { results } = answer as {
        readonly results?: readonly { readonly job?: { readonly id: string } }[];
      };
      return results?.[1]?.job?.id;
    }
    const answer = await this.#ask(token, 'POST', '/v1/jobs', key, file);
    return (answer as { readonly id?: string }).id;
  }

  async #cancel(account: string, job: string, afterMs: number, isImpatient = false): Promise<void> {
    await this.#pause(afterMs, `cancel ${job}`);
    const path = `/v1/jobs/${job}/cancel`;
    await this.#ask(`account:${account}`, 'POST', path, undefined, undefined, isImpatient);
  }

  #pause(forMs: number, kind: string): Promise<void> {
    return new Promise((resolve) => {
      kernel().schedule(forMs, this.#actor, kind, resolve);
    });
  }

  /** Asks again until there is an answer that stands. A lost answer is asked for anew, sometimes twice at once. */
  async #ask(
    token: string,
    method: string,
    path: string,
    key: string | undefined,
    body: unknown,
    isImpatient = false,
  ): Promise<unknown> {
    for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(longestPauseMs, 2 * pauseMs)) {
      const once = () =>
        servers().exchange(
          this.link,
          {
            method,
            path,
            headers: {
              authorization: `Bearer ${token}`,
              ...(key === undefined ? {} : { 'idempotency-key': key }),
            },
            body: Buffer.from(body === undefined ? '' : JSON.stringify(body)),
          },
          AbortSignal.timeout(answerMs),
        );
      const asked = [once()];
      if (key !== undefined ? this.#actor.random.chance(0.1) : isImpatient) asked.push(once());
      // Refused, cut, or too late: it may have been done all the same.
      const [answer] = await Promise.all(asked).catch(() => []);
      if (answer !== undefined && answer.status < 500 && answer.status !== 429)
        return this.#read(answer, path);
      await this.#pause(pauseMs, 'asks again');
    }
  }

  #read(answer: HttpAnswer, path: string): unknown {
    const text = Buffer.from(answer.body).toString('utf8');
    if (answer.status >= 400) {
      const { code } = JSON.parse(text) as { readonly code: string };
      if (!expected.includes(code)) throw new Error(`${path} was refused: ${text}`);
      this.#watch.fault(`refused: ${code}`);
    }
    return answer.status < 300 && text !== '' ? JSON.parse(text) : {};
  }
}

export function accountOf(consumer: number): string {
  return `acc_consumer${consumer}`;
}
