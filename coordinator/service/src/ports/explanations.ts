import type { NodeStatus } from '@capacloud/core/contract/event';
import type { Contention } from '@capacloud/protocol/capacity/dimensions';
import type { Obstacle } from '@capacloud/protocol/catalogue/obstacles';
import type { TaskReason } from '@capacloud/protocol/catalogue/reasons';
import type { NodeId } from '@capacloud/protocol/ids';

/** Why tasks wait and why nodes idle, as plain data. */

export interface WaitingReason {
  readonly reason: TaskReason;
  readonly message: string;
}

/** How many nodes an obstacle keeps a task from. */
export interface ObstacleCount {
  readonly obstacle: Obstacle;
  readonly nodes: number;
  /** Nodes that nothing else keeps it from, but what passes by itself. */
  readonly alone: number;
  readonly examples: readonly NodeId[];
}

/** The smallest change of one wish of a job that opens a node, in the units of the terms. */
export interface TaskChange {
  readonly obstacle: Obstacle;
  /** Absent where the wish has to go. */
  readonly to?: bigint | number | string | readonly string[];
  /** Which one, where the job has a list of such wishes; of labels also the key that it asks for. */
  readonly at?: number;
  readonly key?: string;
  /** Nodes that the change opens, and how many of them have room now. */
  readonly nodes: number;
  readonly free: number;
}

/** What keeps a task from the nodes, and what would help. */
export interface TaskExplanation {
  /** Nodes that were looked at, those that would do once free, and those that would do now. */
  readonly nodes: number;
  readonly suitable: number;
  readonly free: number;
  readonly obstacles: readonly ObstacleCount[];
  readonly changes: readonly TaskChange[];
}

/** What keeps every task away from a node. */
export type NodeClosure =
  | Contention
  | Extract<Obstacle, 'node_silent' | 'node_isolated' | 'node_closed' | 'node_backing_off' | 'node_kept'>;

/** What the owner of a node could change, and how many tasks that would open it to. */
export interface OwnerChange {
  readonly obstacle: Obstacle;
  /** Of prices thousandths of what is asked now, of sizes as in the offer, of CUDA a version. */
  readonly to?: number | string;
  readonly tasks: number;
}

/** How the tasks that wait stand to a node. */
export interface NodeQueue {
  readonly tasks: number;
  readonly suitable: number;
  readonly free: number;
  /** Every kind of waiting task was looked at. */
  readonly isComplete: boolean;
  readonly obstacles: readonly {
    readonly obstacle: Obstacle;
    readonly tasks: number;
    readonly alone: number;
  }[];
  readonly changes: readonly OwnerChange[];
}

export interface NodeExplanation {
  readonly id: NodeId;
  readonly status: NodeStatus;
  readonly cause: string;
  readonly statusSince: number;
  readonly directive: 'none' | 'cordon' | 'drain';
  readonly closedBy: readonly NodeClosure[];
  readonly isResting: boolean;
  readonly restUntil: number;
  readonly reliability: {
    readonly attempts: number;
    readonly failed: number;
    readonly failedInRow: number;
    readonly silences: number;
    readonly tries: number;
  };
  readonly queue: NodeQueue | undefined;
}

/** Kinds of waiting tasks that an explanation of a node looks at: as many as say how it stands in the market. */
export const maxShapes = 2000;

export interface NodeLook {
  readonly at: number;
  /** Whether to look at the tasks that wait as well. */
  readonly withQueue: boolean;
}
