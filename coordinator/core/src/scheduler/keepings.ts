import type { JobId } from '@capacloud/protocol/ids';
import type { JobTerms } from '../contract/command.ts';
import type { ReadOnly } from '../read-only.ts';
import type { NodeRecord } from '../slices/node/record.ts';

/** Why a node is kept free. */
export interface Keeping {
  readonly job: JobId;
  /** Until it is expected to have room for the job; what is over by then may run there meanwhile. */
  readonly leftMs: number;
}

/** Nodes that are kept free, each for one job. */
export class Keepings {
  readonly #kept = new Map<ReadOnly<NodeRecord>, Keeping>();

  of(node: ReadOnly<NodeRecord>): Keeping | undefined {
    return this.#kept.size === 0 ? undefined : this.#kept.get(node);
  }

  keep(node: ReadOnly<NodeRecord>, keeping: Keeping): void {
    this.#kept.set(node, keeping);
  }

  free(node: ReadOnly<NodeRecord>): void {
    this.#kept.delete(node);
  }

  /** Whether a task of the job would still run there when the node is wanted for the job that it is kept for. */
  keepsFrom(node: ReadOnly<NodeRecord>, job: JobId | undefined, terms: JobTerms): boolean {
    const keeping = this.of(node);
    if (keeping === undefined || keeping.job === job) return false;
    return terms.runTimeoutMs + terms.stopGraceMs > keeping.leftMs;
  }
}
