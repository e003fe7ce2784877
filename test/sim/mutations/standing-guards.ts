import type { Guard } from './guard.ts';

/** Of what becomes of nodes that fail, and of images that ruin devices. */
export const standingGuards: readonly Guard[] = [
  {
    name: 'pause a node that fails in a row',
    why: 'A broken node would draw task after task and lose them all.',
    faults: ['docker-gone'],
  },
  {
    name: 'pause longer with each failure',
    why: 'A node that stays broken would be tried as often as one that stumbled.',
    find: '** further;',
    replace: '** 0;',
    faults: ['docker-gone'],
  },
  {
    name: 'begin anew after a success',
    why: 'A node that was mended would go on pausing.',
    faults: ['docker-restart'],
  },
  {
    name: 'blame a node once for one mishap',
    why: 'An engine that restarts under many containers would close its node for an hour.',
    faults: ['docker-restart'],
  },
  {
    name: 'blame no node for the errors of jobs',
    why: 'One bad job would close the network.',
    find: "taskReasons[reason].fault !== 'provider' || ",
  },
  {
    name: 'an image that fails everywhere explains itself',
    why: 'One image that no node can run would close the network.',
    replace: 'return false;',
    faults: ['docker-gone', 'agent-crash'],
  },
  {
    name: 'remember failures over a restart',
    why: 'A restart of the coordinator would let every broken node begin anew.',
    find: 'text === undefined ? newStanding() : standingRecord.value(text)',
    replace: 'newStanding()',
    faults: ['coordinator-crash'],
  },
  {
    name: 'stop an image that ruins devices',
    why: 'It would go from node to node until no GPU is left.',
    replace: 'return faults.length <= poisonNodes',
    ruinous: true,
  },
  {
    name: 'blame an image that had the device alone',
    why: 'Jobs would be stopped for what others did.',
    find: 'image === undefined || images.size > 1 ?',
    replace: 'image === undefined ?',
    ruinous: true,
  },
  {
    name: 'blame an image that has run',
    why: 'Jobs would be stopped for devices that broke before they began.',
    replace: 'return task.attempt === attempt;',
    ruinous: true,
  },
  {
    name: 'forget faults of long ago',
    why: 'Every image would be stopped in the end.',
    find: 'if (fault.at + (ruleset.poisonEvidenceMs ?? 0) > at) byProvider',
    replace: 'if (fault.at > 0) byProvider',
    ruinous: true,
  },
  {
    name: 'place nothing of a stopped image',
    why: 'It would ruin more devices until the tick has ended its tasks.',
    find: 'return job.isStopped || job.isIsolated',
    replace: 'return job.isIsolated',
    ruinous: true,
  },
  {
    name: 'end the tasks of a stopped image',
    why: 'What runs of it would go on ruining devices.',
    ruinous: true,
  },
  {
    name: 'take no job with a stopped image',
    why: 'It would be back with the next submission.',
    replace: 'if (stoppedUntil < 0) {',
    ruinous: true,
  },
  {
    name: 'spare nodes what a stopped image did to them',
    why: 'The victims would be punished.',
    ruinous: true,
    faults: ['docker-restart'],
  },
];
