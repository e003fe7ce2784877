import type { Guard } from './guard.ts';

const core = 'coordinator/core/src';

/** Of what jobs wish for, and of their alternatives. */
export const wishGuards: readonly Guard[] = [
  {
    name: 'stay in the regions that are wanted',
    why: 'Data would leave the region that its owner chose.',
    file: `${core}/scheduler/fit/feasibility.ts`,
    find: 'return isInRegion(node.offer, terms.regions) && ',
    replace: 'return ',
  },
  {
    name: 'meet the constraints on labels',
    why: 'A task would run on a node that its consumer ruled out.',
    file: `${core}/scheduler/fit/feasibility.ts`,
    find: ' && meetsAll(node.offer, terms.constraints);',
    replace: ';',
  },
  {
    name: 'keep shapes apart that wish for other labels',
    why: 'Jobs would share the order of nodes of a job with other wishes.',
    file: `${core}/job/queue.ts`,
    find: '${alternatives}${labels}`',
    replace: '${alternatives}`',
    kindred: true,
  },
  {
    name: 'occupy what the chosen alternative takes',
    why: 'A device would count as free, or as full, that is not.',
    file: `${core}/job/attempt-events.ts`,
    find: 'occupy(state, node, job, { task: task.id, job: job.id, attempt, devices, alternative });',
    replace: 'occupy(state, node, job, { task: task.id, job: job.id, attempt, devices, alternative: 0 });',
  },
  {
    name: 'tell which alternative was chosen',
    why: 'Nobody could tell what an attempt takes and costs.',
    file: `${core}/scheduler/schedule-commands.ts`,
    find: 'events.push(alternative === undefined ? event : { alternative, ...event });',
    replace: 'events.push(event);',
  },
  {
    name: 'remember the alternative over a restart',
    why: 'What runs by another alternative would be counted as the first.',
    file: `${core}/snapshot-text.ts`,
    find: 'alternative === 0 ? [task, job, attempt, devices] : [task, job, attempt, devices, alternative],',
    replace: '[task, job, attempt, devices],',
    faults: ['coordinator-crash'],
  },
  {
    name: 'send what the chosen alternative takes',
    why: 'The agent would count other devices than those that it was given.',
    file: 'coordinator/service/src/gateway/assignment-writer.ts',
    find: 'template.resources[alternative]',
    replace: 'template.resources[0]',
  },
];
