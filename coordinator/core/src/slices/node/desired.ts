import type { AttemptRef } from '@capacloud/protocol/wire/frames';
import type { ReadOnly } from '../../read-only.ts';
import type { State } from '../../state.ts';
import { isActive } from '../attempt/task-states.ts';
import type { NodeRecord } from './record.ts';

/** The attempts that should be on the node now: what it holds beyond them it must stop, what it lacks it is sent. */
export function desiredAttempts(state: ReadOnly<State>, node: ReadOnly<NodeRecord>): readonly AttemptRef[] {
  const desired: AttemptRef[] = [];
  for (const { task: id, attempt } of node.occupied.values()) {
    const task = state.tasks.get(id);
    if (task !== undefined && task.attempt === attempt && isActive(task.state))
      desired.push({ task: id, attempt });
  }
  return desired;
}
