import type { Guard } from './guard.ts';

/** Of whose turn it is, and of what starts together. */
export const turnGuards: readonly Guard[] = [
  {
    name: 'give back what a gang cannot use',
    why: 'A part of a gang would start and wait for the rest, and two gangs could wait for each other for ever.',
    find: 'of assignments.splice(before))',
    replace: 'of assignments.slice(assignments.length))',
  },
  {
    name: 'give a task away once in a look',
    why: 'What nodes are kept for goes first, and would be given to a second node in its turn.',
    find: 'if (isKeptBack(this.#state, job) || this.#holders.has(job))',
    replace: 'if (isKeptBack(this.#state, job))',
  },
  {
    name: 'stop the gang of what failed',
    why: 'The others of a gang would run on without the one that failed.',
  },
  {
    name: 'end each of a gang once',
    why: 'A lost node that had two of a gang would end one of them twice.',
    find: 'isActive(task.state) && !decision.hasEnded(taskId)) {',
    replace: 'isActive(task.state)) {',
    faults: ['agent-freeze'],
  },
  {
    name: 'judge a gang by all its failures',
    why: 'A gang could start again as often as it has tasks for each retry that was asked for.',
    replace: 'if (job.terms.tasks > 0) return of(task);',
  },
];
