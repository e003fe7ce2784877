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
    file: `${core}/slices/job/queue.ts`,
    find: '${alternatives}${labels}${misfits}`',
    replace: '${alternatives}${misfits}`',
    kindred: true,
  },
  {
    name: 'keep jobs from nodes that their image is not made for',
    why: 'A task would go to the same node again and again, and never run.',
    file: `${core}/scheduler/fit/feasibility.ts`,
    find: '  if (terms.misfits !== undefined && isMisfit(node, terms)) return false;\n',
    replace: '',
    mixed: true,
  },
  {
    name: 'remember over a restart what the image is not made for',
    why: 'Each start of the coordinator would send tasks to the wrong nodes again.',
    file: `${core}/snapshot-text.ts`,
    find: 'termsText({ holdNano, maxRateNano, ...rest }',
    replace: 'termsText({ holdNano, maxRateNano, misfits: _misfits, ...rest }',
    mixed: true,
    faults: ['coordinator-crash'],
  },
  {
    name: 'let the queue timeout count where nothing ran',
    why: 'A task whose image runs nowhere would wait for ever.',
    file: `${core}/slices/job/queue.ts`,
    find: 'return attempt === 0 || terms.misfits !== undefined;',
    replace: 'return attempt === 0;',
    mixed: true,
  },
  {
    name: 'occupy what the chosen alternative takes',
    why: 'A device would count as free, or as full, that is not.',
    file: `${core}/slices/attempt/attempt-events.ts`,
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
    find: 'alternative === 0 ? [task, job, attempt, devices] : [task, job, attempt, devices, alternative];',
    replace: '[task, job, attempt, devices];',
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
