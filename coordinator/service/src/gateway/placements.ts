import type { EventOf, NodeStatus } from '@capacloud/core/contract/event';
import type { Ruleset } from '@capacloud/core/contract/ruleset';
import type { JobId, NodeId, TaskId } from '@capacloud/protocol/ids';
import { jobIdOf } from '@capacloud/protocol/ids';
import type { ArtifactRow } from '../ports/artifact-index.ts';
import type { PullProgress } from '../ports/live-activity.ts';
import type { DesiredAttempt } from '../ports/questions.ts';
import type { CommittedEvent } from '../ports/sequencer.ts';

/** One attempt that should be on a node, as the durable log says. */
export interface Placement {
  readonly task: TaskId;
  readonly job: JobId;
  readonly attempt: number;
  readonly node: NodeId;
  readonly devices: readonly string[];
  /** Which of the job's alternatives it runs by. */
  readonly alternative: number;
  /** 0 until it was sent in the present session. */
  sentAtMs: number;
  /** The node has said something about it: it need not be sent again. */
  isKnown: boolean;
  pull: PullProgress | undefined;
  /** Empty until it was first sent. */
  nonce: string;
  /** What an earlier attempt left in the checkpoint folder, if any; undefined until it was looked up. */
  saved?: Pick<ArtifactRow, 'sha256' | 'sizeBytes'> | 'none';
}

type Assigned = Pick<EventOf<'attempt.assigned'>, 'task' | 'attempt' | 'node' | 'devices' | 'alternative'>;

/** What a group of committed events means for nodes. */
export interface PlacementListener {
  placed(placement: Placement): void;
  /** The attempt ended without its node's word: it must stop. */
  revoked(placement: Placement): void;
  settled(job: JobId): void;
  nodeChanged(node: NodeId, status: NodeStatus): void;
  nodeJoined(node: NodeId): void;
  /** It has left the live state. */
  nodeForgotten(node: NodeId): void;
  rulesChanged(ruleset: Ruleset): void;
}

/**
 * The attempts that should be on nodes, by job and by node. The table follows committed events alone, so an agent is told
 * nothing that a crash could take back.
 */
export class Placements {
  readonly #byJob = new Map<JobId, Map<TaskId, Placement>>();
  readonly #byNode = new Map<NodeId, Set<Placement>>();

  restore(desired: readonly DesiredAttempt[]): void {
    for (const attempt of desired) this.#add(attempt);
  }

  get(task: TaskId): Placement | undefined {
    return this.#byJob.get(jobIdOf(task))?.get(task);
  }

  of(node: NodeId): ReadonlySet<Placement> {
    return this.#byNode.get(node) ?? none;
  }

  nodes(): ReadonlyMap<NodeId, ReadonlySet<Placement>> {
    return this.#byNode;
  }

  follow(events: readonly CommittedEvent[], listener: PlacementListener): void {
    for (const { event } of events) {
      switch (event.type) {
        case 'attempt.assigned':
          listener.placed(this.#add(event));
          break;
        case 'attempt.progressed': {
          const placement = this.get(event.task);
          if (placement?.attempt === event.attempt) placement.isKnown = true;
          break;
        }
        case 'attempt.ended': {
          const placement = this.get(event.task);
          if (placement?.attempt !== event.attempt) break;
          // guard: follow what is durable alone
          this.#remove(placement);
          if (!event.released) listener.revoked(placement);
          break;
        }
        case 'task.ended': {
          const placement = this.get(event.task);
          if (placement === undefined) break;
          this.#remove(placement);
          listener.revoked(placement);
          break;
        }
        case 'job.cancelled':
          for (const placement of this.#byJob.get(event.job)?.values() ?? []) {
            this.#remove(placement);
            listener.revoked(placement);
          }
          break;
        case 'job.settled':
          listener.settled(event.job);
          break;
        case 'node.joined':
          listener.nodeJoined(event.node);
          break;
        case 'node.status_changed':
          listener.nodeChanged(event.node, event.to);
          break;
        case 'node.forgotten':
          this.#byNode.delete(event.node);
          listener.nodeForgotten(event.node);
          break;
        case 'log.opened':
        case 'ruleset.changed':
          listener.rulesChanged(event.ruleset);
          break;
        case 'account.credited':
        case 'account.opened':
        case 'attempt.released':
        case 'image.poisoned':
        case 'job.submitted':
        case 'node.offered':
        case 'upload.held':
        case 'subject.isolated':
        case 'subject.reinstated':
        case 'upload.resumed':
          break;
      }
    }
  }

  #add({ task, attempt, node, devices, alternative = 0 }: Assigned): Placement {
    const job = jobIdOf(task);
    const placement: Placement = {
      task,
      job,
      attempt,
      node,
      devices,
      alternative,
      sentAtMs: 0,
      isKnown: false,
      pull: undefined,
      nonce: '',
    };
    let ofJob = this.#byJob.get(job);
    if (ofJob === undefined) this.#byJob.set(job, (ofJob = new Map()));
    ofJob.set(task, placement);
    let ofNode = this.#byNode.get(node);
    if (ofNode === undefined) this.#byNode.set(node, (ofNode = new Set()));
    ofNode.add(placement);
    return placement;
  }

  #remove(placement: Placement): void {
    const ofJob = this.#byJob.get(placement.job);
    ofJob?.delete(placement.task);
    if (ofJob?.size === 0) this.#byJob.delete(placement.job);
    // A node that has had work will have more, so its empty set stays; there is at most one a node.
    this.#byNode.get(placement.node)?.delete(placement);
  }
}

const none: ReadonlySet<Placement> = new Set();
