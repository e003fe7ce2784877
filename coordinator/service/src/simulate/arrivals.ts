import type { Event } from '@capacloud/core/contract/event';
import type { ErrorCode } from '@capacloud/protocol/catalogue/errors';
import type { JobId } from '@capacloud/protocol/ids';
import type { Agenda } from './agenda.ts';
import type { CoreDriver } from './core-driver.ts';
import { Draws } from './draws.ts';
import { numberedAccount, numberedJob } from './numbered-ids.ts';
import type { JobClass, JobShape } from './scenario/scenario.ts';

const hourMs = 3_600_000;

/** A job that lives, and what it was drawn from. */
export interface LiveJob {
  readonly classIndex: number;
  readonly jobClass: JobClass;
  readonly shape: JobShape;
  /** Names its draws; the same in all variants. */
  readonly draw: string;
}

interface ArrivalParts {
  readonly seed: number;
  readonly classes: readonly JobClass[];
  readonly agenda: Agenda;
  readonly core: CoreDriver;
  readonly refused: (classIndex: number, code: ErrorCode, tasks: number) => void;
}

/** The consumers: they bring their money, and submit. */
export class Arrivals {
  readonly #parts: ArrivalParts;
  readonly #live = new Map<JobId, LiveJob>();
  readonly #startAt: number;
  #jobs = 0;

  constructor(parts: ArrivalParts) {
    this.#parts = parts;
    this.#startAt = parts.core.now;
  }

  start(): void {
    for (const [index, jobClass] of this.#parts.classes.entries()) {
      this.#openAccounts(jobClass, index);
      switch (jobClass.arrivals.kind) {
        case 'random':
          this.#planRandom(jobClass, index, jobClass.arrivals.perHour, jobClass.arrivals.daily);
          break;
        case 'traced':
          this.#planTraced(jobClass, index, jobClass.arrivals.atMs, 0);
          break;
      }
    }
  }

  /** Undefined once it is settled. */
  job(id: JobId): LiveJob | undefined {
    return this.#live.get(id);
  }

  after(event: Event): void {
    if (event.type === 'job.settled') this.#live.delete(event.job);
  }

  #openAccounts({ budgetNano, consumers }: JobClass, index: number): void {
    const { core } = this.#parts;
    for (let n = 0; n < consumers; n++) {
      const account = numberedAccount('consumer', index, n);
      core.must({ type: 'account.open', at: core.now, account });
      core.must({ type: 'account.credit', at: core.now, account, amountNano: budgetNano, ref: 'budget' });
    }
  }

  /** A Poisson process of the highest rate, thinned to that of the hour. */
  #planRandom(
    jobClass: JobClass,
    index: number,
    perHour: number,
    daily: readonly number[] | undefined,
  ): void {
    const { agenda, core, seed } = this.#parts;
    const draws = new Draws(seed, `arrivals ${jobClass.name}`);
    const highest = daily === undefined ? 1 : Math.max(...daily);
    let at = core.now;
    let count = 0;
    const planNext = (): void => {
      do at += draws.exponentialMs(hourMs / (perHour * highest));
      while (draws.next() * highest >= factorAt(daily, at - this.#startAt));
      agenda.plan(Math.round(at), () => {
        this.#submit(jobClass, index, count);
        count += 1;
        planNext();
      });
    };
    planNext();
  }

  #planTraced(jobClass: JobClass, index: number, atMs: readonly number[], n: number): void {
    const next = atMs[n];
    if (next === undefined) return;
    this.#parts.agenda.plan(this.#startAt + next, () => {
      this.#submit(jobClass, index, n);
      this.#planTraced(jobClass, index, atMs, n + 1);
    });
  }

  #submit(jobClass: JobClass, classIndex: number, n: number): void {
    const { core, refused, seed } = this.#parts;
    const draw = `${jobClass.name} ${n}`;
    const draws = new Draws(seed, `job ${draw}`);
    const consumer = numberedAccount('consumer', classIndex, draws.below(jobClass.consumers));
    const isTraced = jobClass.arrivals.kind === 'traced';
    const shape = jobClass.shapes[isTraced ? n : draws.below(jobClass.shapes.length)];
    if (shape === undefined) throw new Error(`${draw} has no shape`);
    this.#jobs += 1;
    const job = numberedJob(this.#jobs);
    this.#live.set(job, { classIndex, jobClass, shape, draw });
    const result = core.submit({ type: 'job.submit', at: core.now, job, consumer, terms: shape.terms });
    if (result.ok) return;
    this.#live.delete(job);
    refused(classIndex, result.refusal.code, shape.terms.tasks);
  }
}

function factorAt(daily: readonly number[] | undefined, sinceMs: number): number {
  return daily?.[Math.floor(sinceMs / hourMs) % 24] ?? 1;
}
