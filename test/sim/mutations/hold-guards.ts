import type { Guard } from './guard.ts';

const core = 'coordinator/core/src';

/** Of outputs that wait for want of room. */
export const holdGuards: readonly Guard[] = [
  {
    name: 'wait for want of room alone',
    why: 'A clock would stand still though the store takes everything.',
    file: 'coordinator/service/src/artifacts/upload-holds.ts',
    find: 'if (!announced.ok) await this.#note(by, announced.refusal, sizeBytes);',
    replace:
      "await this.#note(by, announced.ok ? { code: 'artifact.store_full', message: '' } : announced.refusal, sizeBytes);",
  },
  {
    name: 'no wait for ever for want of room',
    why: 'A task whose outputs never find room would never end.',
    file: `${core}/slices/attempt/stage-clock.ts`,
    find: 'task.heldAt + (ruleset.uploadHoldMs ?? 0)',
    replace: 'task.heldAt + (ruleset.uploadHoldMs ?? 0) * 50',
    faults: ['store-full'],
  },
  {
    name: 'no second run for want of room',
    why: 'What was computed would be computed again, for a store that is full.',
    file: `${core}/slices/attempt/retry.ts`,
    find: "if (reason === 'store_full' || reason === 'quota_full') return { kind: 'failed' };",
    replace: '',
    faults: ['store-full'],
  },
  {
    name: 'nothing new comes for want of room',
    why: 'Nodes would compute what cannot be stored.',
    file: `${core}/scheduler/starvation.ts`,
    find: ' || storageObstacle(state, job) !== undefined',
    replace: '',
    faults: ['store-full'],
  },
  {
    name: 'the disk stays taken for want of room',
    why: 'Others would be given the disk that the outputs lie on.',
    file: `${core}/slices/node/capacity.ts`,
    find: '  subtract(node.free, takenBy(job, held));\n',
    replace: '',
    faults: ['store-full'],
  },
  {
    name: 'no pay for a wait for want of room',
    why: 'Who claims that it ran all the time would be paid for the wait.',
    file: `${core}/slices/attempt/attempt-commands.ts`,
    find: 'const until = task.heldAt > 0 ? task.heldAt : at;',
    replace: 'const until = at;',
    faults: ['store-full', 'lies'],
  },
];
