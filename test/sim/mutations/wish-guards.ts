import type { Guard } from './guard.ts';

/** Of what jobs wish for, and of their alternatives. */
export const wishGuards: readonly Guard[] = [
  {
    name: 'stay in the regions that are wanted',
    why: 'Data would leave the region that its owner chose.',
    find: 'return isInRegion(node.offer, terms.regions) && ',
    replace: 'return ',
  },
  {
    name: 'meet the constraints on labels',
    why: 'A task would run on a node that its consumer ruled out.',
    find: ' && meetsAll(node.offer, terms.constraints);',
    replace: ';',
  },
  {
    name: 'keep shapes apart that wish for other labels',
    why: 'Jobs would share the order of nodes of a job with other wishes.',
    find: '${alternatives}${labels}${misfits}`',
    replace: '${alternatives}${misfits}`',
    kindred: true,
  },
  {
    name: 'keep jobs from nodes that their image is not made for',
    why: 'A task would go to the same node again and again, and never run.',
    mixed: true,
  },
  {
    name: 'remember over a restart what the image is not made for',
    why: 'Each start of the coordinator would send tasks to the wrong nodes again.',
    find: '(known) => known',
    replace: '({ misfits: _misfits, ...known }) => known',
    mixed: true,
    faults: ['coordinator-crash'],
  },
  {
    name: 'let the queue timeout count where nothing ran',
    why: 'A task whose image runs nowhere would wait for ever.',
    replace: 'return attempt === 0;',
    mixed: true,
  },
  {
    name: 'occupy what the chosen alternative takes',
    why: 'A device would count as free, or as full, that is not.',
    replace: 'occupy(state, node, job, { task: task.id, job: job.id, attempt, devices, alternative: 0 });',
  },
  {
    name: 'tell which alternative was chosen',
    why: 'Nobody could tell what an attempt takes and costs.',
    replace: 'events.push(event);',
  },
  {
    name: 'remember the alternative over a restart',
    why: 'What runs by another alternative would be counted as the first.',
    find: 'alternative === 0 ? [task, job, attempt, devices] : [task, job, attempt, devices, alternative];',
    replace: '[task, job, attempt, devices];',
    faults: ['coordinator-crash'],
  },
  {
    name: 'send what the chosen alternative takes',
    why: 'The agent would count other devices than those that it was given.',
    find: 'template.resources[alternative]',
    replace: 'template.resources[0]',
  },
];
