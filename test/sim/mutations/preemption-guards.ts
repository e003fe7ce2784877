import type { Guard } from './guard.ts';

/** Of who makes way for whom. */
export const preemptionGuards: readonly Guard[] = [
  {
    name: 'stop only what was sold as interruptible',
    why: 'Tasks that paid in full would lose their work to others.',
    find: 'task?.attempt !== attempt || !task.interruptible) continue;',
    replace: 'task?.attempt !== attempt) continue;',
    interruptible: true,
  },
  {
    name: 'stop nobody for who may be stopped',
    why: 'Tasks at the lower price would chase each other from node to node.',
    find: ' || job.terms.interruptible === true) continue;',
    replace: ') continue;',
    interruptible: true,
  },
  {
    name: 'stop nobody who pays more',
    why: 'A small task could throw a large one out, and the owner would be the poorer.',
    replace: 'if (!isEnough) {',
    interruptible: true,
  },
  {
    name: 'let who comes wait before others are stopped',
    why: 'Work would be lost for a moment in which everything is taken.',
    replace: 'if (holders.has(job)) continue;',
    interruptible: true,
  },
  {
    name: 'keep the room that is made',
    why: 'Somebody else would take what others were stopped for.',
    interruptible: true,
  },
  {
    name: 'stop nobody for who cannot pay what is asked',
    why: 'Work would be lost for a task that is not placed there after all.',
    replace: 'rateOn(node, terms) > 0n',
    interruptible: true,
  },
  {
    name: 'stop nobody for who may not come',
    why: 'Work would be lost on nodes that the owner or the consumer does not want the task on.',
    interruptible: true,
  },
  {
    name: 'wait for what is saved',
    why: 'A task would go on before its node has saved what it had, and begin anew.',
    replace: 'return 0;',
    interruptible: true,
  },
  {
    name: 'keep checkpoints that the node has brought itself',
    why: 'A node could hand what somebody else has stored to the next one.',
    replace: 'true;',
    interruptible: true,
    faults: ['lies'],
  },
  {
    name: 'charge interruptible work less',
    why: 'It would bear the risk at the full price.',
    replace: 'return terms.tasks < 0',
    interruptible: true,
  },
];
