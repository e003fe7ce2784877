import type { Guard } from './guard.ts';

const core = 'coordinator/core/src';

/** Of who makes way for whom. */
export const preemptionGuards: readonly Guard[] = [
  {
    name: 'stop only what was sold as interruptible',
    why: 'Tasks that paid in full would lose their work to others.',
    file: `${core}/scheduler/stop-search.ts`,
    find: 'task?.attempt !== attempt || !task.interruptible) continue;',
    replace: 'task?.attempt !== attempt) continue;',
    interruptible: true,
  },
  {
    name: 'stop nobody for who may be stopped',
    why: 'Tasks at the lower price would chase each other from node to node.',
    file: `${core}/scheduler/preemptions.ts`,
    find: ' || job.terms.interruptible === true) continue;',
    replace: ') continue;',
    interruptible: true,
  },
  {
    name: 'stop nobody who pays more',
    why: 'A small task could throw a large one out, and the owner would be the poorer.',
    file: `${core}/scheduler/stop-search.ts`,
    find: 'if (!isEnough || paidNano > rateNano) {',
    replace: 'if (!isEnough) {',
    interruptible: true,
  },
  {
    name: 'let who comes wait before others are stopped',
    why: 'Work would be lost for a moment in which everything is taken.',
    file: `${core}/scheduler/preemptions.ts`,
    find: 'if (at < Math.max(since, stopsSoughtAt) + afterMs || holders.has(job)) continue;',
    replace: 'if (holders.has(job)) continue;',
    interruptible: true,
  },
  {
    name: 'keep the room that is made',
    why: 'Somebody else would take what others were stopped for.',
    file: `${core}/scheduler/preemptions.ts`,
    find: 'for (const node of nodes) notes.keepings.keep(node, { job: job.id, leftMs: 0 });',
    replace: '',
    interruptible: true,
  },
  {
    name: 'stop nobody for who cannot pay what is asked',
    why: 'Work would be lost for a task that is not placed there after all.',
    file: `${core}/scheduler/stop-search.ts`,
    find: 'rateOn(node, terms) <= terms.maxRateNano',
    replace: 'rateOn(node, terms) > 0n',
    interruptible: true,
  },
  {
    name: 'stop nobody for who may not come',
    why: 'Work would be lost on nodes that the owner or the consumer does not want the task on.',
    file: `${core}/scheduler/stop-search.ts`,
    find: 'isAllowed(node, terms) &&',
    replace: '',
    interruptible: true,
  },
  {
    name: 'wait for what is saved',
    why: 'A task would go on before its node has saved what it had, and begin anew.',
    file: `${core}/slices/attempt/attempt-events.ts`,
    find: "if (!isSaved(job.terms) || reason !== 'preempted' || released) return 0;",
    replace: 'return 0;',
    interruptible: true,
  },
  {
    name: 'keep checkpoints that the node has brought itself',
    why: 'A node could hand what somebody else has stored to the next one.',
    file: 'coordinator/service/src/gateway/receipt-judge.ts',
    find: 'checkpointOverheadBytes &&\n      (await this.#areUploaded(receipt));',
    replace: 'checkpointOverheadBytes;',
    interruptible: true,
    faults: ['lies'],
  },
  {
    name: 'charge interruptible work less',
    why: 'It would bear the risk at the full price.',
    file: `${core}/slices/node/asks.ts`,
    find: 'return isSoldInterruptible({ offer }, terms)',
    replace: 'return terms.tasks < 0',
    interruptible: true,
  },
];
