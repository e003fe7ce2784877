import type { Guard } from './guard.ts';

/** Of outputs that wait for want of room. */
export const holdGuards: readonly Guard[] = [
  {
    name: 'wait for want of room alone',
    why: 'A clock would stand still though the store takes everything.',
    replace:
      "await this.#note(by, announced.ok ? { code: 'artifact.store_full', message: '' } : announced.refusal, sizeBytes);",
  },
  {
    name: 'no wait for ever for want of room',
    why: 'A task whose outputs never find room would never end.',
    find: 'task.heldAt + (ruleset.uploadHoldMs ?? 0)',
    replace: 'task.heldAt + (ruleset.uploadHoldMs ?? 0) * 50',
    faults: ['store-full'],
  },
  {
    name: 'no second run for want of room',
    why: 'What was computed would be computed again, for a store that is full.',
    faults: ['store-full'],
  },
  {
    name: 'nothing new comes for want of room',
    why: 'Nodes would compute what cannot be stored.',
    find: ' || storageObstacle(state, job) !== undefined',
    faults: ['store-full'],
  },
  {
    name: 'the disk stays taken for want of room',
    why: 'Others would be given the disk that the outputs lie on.',
    faults: ['store-full'],
  },
  {
    name: 'no pay for a wait for want of room',
    why: 'Who claims that it ran all the time would be paid for the wait.',
    replace: 'const until = at;',
    faults: ['store-full', 'lies'],
  },
];
