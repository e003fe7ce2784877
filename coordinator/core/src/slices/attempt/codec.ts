import { amount, plain, unless } from '../../codec/kinds.ts';
import { RecordCodec } from '../../codec/record-codec.ts';
import type { Task, TaskTruth } from './record.ts';

export const taskCodec = new RecordCodec<TaskTruth>({
  index: plain(),
  state: plain(),
  reason: plain(),
  attempt: plain(),
  node: plain(),
  provider: plain(),
  devices: plain(),
  alternative: unless(0),
  rateNano: amount,
  interruptible: unless(false),
  assignedAt: plain(),
  runningSince: plain(),
  stageSince: plain(),
  heldAt: unless(0),
  holds: unless(0),
  held: plain(),
  notBefore: plain(),
  ownErrors: plain(),
  providerLosses: plain(),
  freeRequeues: plain(),
  avoid: plain(),
  hold: plain(),
});

/** A task as its job made it is left out of the text. */
export function isUntouched(task: Task): boolean {
  return task.state === 'queued' && task.attempt === 0;
}
