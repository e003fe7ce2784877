import type { ClientWord } from './observation.ts';
import { check } from './observation.ts';
import type { TaskBook } from './task-book.ts';
import { isEnd } from './task-facts.ts';

/** What clients were told: all of it durable, and the same job for the same key. */
export class ClientBook {
  readonly #tasks: TaskBook;
  readonly #jobOfKey = new Map<string, string>();
  readonly #claimed = new Set<string>();

  constructor(tasks: TaskBook) {
    this.#tasks = tasks;
  }

  tell(word: ClientWord, size: number): void {
    switch (word.type) {
      case 'submitted':
        this.#submitted(word.account, word.key, word.job);
        break;
      case 'cancelled': {
        const isLive = this.#tasks.jobs.get(word.job)?.tasks.some(({ state }) => !isEnd(state)) ?? false;
        const isKnown = this.#tasks.consumers.has(word.job);
        check(
          isKnown && !isLive,
          'said.client',
          () => `${word.job} is said to be cancelled and has live tasks`,
        );
        break;
      }
      case 'task': {
        if (!isEnd(word.state)) break;
        const { state } = this.#tasks.find(word.task) ?? { state: 'not in the log' };
        check(
          state === word.state,
          'said.client',
          () => `${word.task} is said to be ${word.state} and is ${state}`,
        );
        break;
      }
      case 'outcome':
        check(word.index < size, 'said.client', () => `entry ${word.index} of ${size} is told`);
        break;
    }
  }

  #submitted(account: string, key: string, job: string): void {
    const consumer = this.#tasks.consumers.get(job);
    check(
      consumer === account,
      'said.client',
      () => `${job} is told to ${account}; in the log it is of ${consumer ?? 'nobody'}`,
    );
    const name = `${account} ${key}`;
    const known = this.#jobOfKey.get(name) ?? job;
    check(known === job, 'job.key', () => `the key ${name} gives ${job} and gave ${known}`);
    check(
      known !== job || this.#jobOfKey.has(name) || !this.#claimed.has(job),
      'job.key',
      () => `${job} is told for a second key`,
    );
    this.#jobOfKey.set(name, job);
    this.#claimed.add(job);
  }

  /** A job that nobody was told of is one too many: a retry got another. */
  checkClaims(): void {
    for (const job of this.#tasks.consumers.keys())
      check(this.#claimed.has(job), 'job.unclaimed', () => `${job} was told to nobody`);
  }
}
