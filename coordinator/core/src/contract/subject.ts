import type { AccountId, JobId, NodeId } from '@capacloud/protocol/ids';

/** Whatever broke the books of the coordinator, as far as that can be told. The prefixes of ids tell them apart. */
export type Subject = NodeId | JobId | AccountId;

/**
 * What the coordinator no longer does with an isolated subject: nothing of it or on it is placed, what it sends is refused, and
 * time leaves it as it is.
 */
export type IsolationStop = 'placement' | 'commands' | 'time';

export interface Isolation {
  readonly at: number;
  /** Of which command or event the decision broke an invariant. */
  readonly cause: string;
  readonly stops: readonly IsolationStop[];
  /** The job that was there as well, where it may have been that one. */
  readonly beside?: JobId;
}
