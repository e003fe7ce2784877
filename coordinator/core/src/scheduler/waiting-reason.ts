import type { JobId } from '@capacloud/protocol/ids';
import type { CoordinatorReason } from '@capacloud/protocol/reasons';
import type { State } from '../state.ts';

export interface WaitingReason {
  readonly reason: Extract<
    CoordinatorReason,
    'no_nodes' | 'no_feasible_node' | 'price_too_low' | 'no_capacity' | 'backing_off'
  >;
  readonly message: string;
}
/** Why tasks of the job wait; undefined when none does. Looks at every node: for people, not for the hot path. */
export function waitingReason(_state: State, _job: JobId): WaitingReason | undefined {
  return undefined;
}
