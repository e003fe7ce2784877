import { check } from './observation.ts';
import { isActive, isEnd, type JobFacts } from './task-facts.ts';

/** Where a commit ends, all of a gang that has not ended is under way, or none of it. */
export class GangWatch {
  /** Gangs of which something changed in the commit that is being read. */
  readonly #touched = new Set<JobFacts>();

  touch(job: JobFacts): void {
    if (job.terms.gang === true) this.#touched.add(job);
  }

  checkWhole(): void {
    for (const { tasks, terms } of this.#touched) {
      const live = tasks.filter(({ state }) => !isEnd(state)).length;
      const active = tasks.filter(({ state }) => isActive(state)).length;
      check(
        active === 0 || active === live,
        'task.gang',
        () => `${active} of ${live} tasks of the gang ${terms.job} are under way`,
      );
    }
    this.#touched.clear();
  }
}
