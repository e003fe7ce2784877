import type { Result } from '@capacloud/protocol/result';
import { accept } from '@capacloud/protocol/result';
import type { Command } from './command.ts';
import type { Event } from './event.ts';
import type { State } from './state.ts';

/** What the command means now. The state is not changed; a refusal says why nothing happens. Never throws. */
export function decide(_state: State, _command: Command): Result<readonly Event[]> {
  return accept([]);
}
/** Total and deterministic. Throws InvariantError when the event cannot follow: a damaged log. */
export function apply(_state: State, _event: Event): void {}
/** O(1): tasks wait and nodes are open, and something has changed since the last complete place. */
export function needsPlacement(state: State): boolean {
  return state.schedule.stale && state.openNodes > 0 && state.waiting.size > 0;
}
