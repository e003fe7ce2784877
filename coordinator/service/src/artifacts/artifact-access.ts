import { desiredAttempts } from '@capacloud/core/slices/node/desired';
import type { State } from '@capacloud/core/state';
import { type AccountId, type JobId, jobIdOf, type NodeId, type Sha256Hex } from '@capacloud/protocol/ids';
import type { JobSpecs } from '../job-specs.ts';
import type { ArtifactIndex } from '../ports/artifact-index.ts';
import type { ArtifactParty } from '../ports/artifact-store.ts';
import type { OutputClaims } from './output-claims.ts';

/**
 * Who may read which artifact: an account what it refers to; a node the inputs and checkpoints of the attempts that it should
 * run now. Whose account a node names as its provider's gives it nothing.
 */
export class ArtifactAccess {
  readonly #index: ArtifactIndex;
  readonly #state: State;
  readonly #specs: JobSpecs;
  readonly #claims: OutputClaims;

  constructor(index: ArtifactIndex, state: State, specs: JobSpecs, claims: OutputClaims) {
    this.#index = index;
    this.#state = state;
    this.#specs = specs;
    this.#claims = claims;
  }

  /** Whether the job may still start attempts that fetch their inputs. */
  isLive(job: JobId): boolean {
    return this.#state.jobs.has(job);
  }

  /** Resolves when the outputs of all that is committed are claimed. */
  async claimed(): Promise<void> {
    await this.#claims.catchUp();
  }

  async mayRead(by: ArtifactParty, sha256: Sha256Hex): Promise<boolean> {
    if (by.kind === 'node') return this.#isNeededOn(by.node, sha256);
    if (by.operator || (await this.#refers(by.account, sha256))) return true;
    // A task that was just seen to succeed may have outputs whose claim is on its way.
    if (!(await this.#claims.catchUp())) return false;
    return this.#refers(by.account, sha256);
  }

  async #refers(account: AccountId, sha256: Sha256Hex): Promise<boolean> {
    return (await this.#index.listRefs(sha256, account)).length > 0;
  }

  async #isNeededOn(node: NodeId, sha256: Sha256Hex): Promise<boolean> {
    const record = this.#state.nodes.get(node);
    if (record === undefined) return false;
    const attempts = desiredAttempts(this.#state, record);
    for (const job of new Set(attempts.map(({ task }) => jobIdOf(task)))) {
      const spec = await this.#specs.get(job);
      const consumer = this.#state.jobs.get(job)?.consumer;
      const isInput = spec?.inputs.some((input) => input.sha256 === sha256) === true;
      if (isInput && consumer !== undefined && (await this.#refers(consumer, sha256))) return true;
      if (spec?.checkpoint === undefined) continue;
      for (const { task } of attempts) {
        if (jobIdOf(task) === job && (await this.#index.checkpointOf(task))?.sha256 === sha256) return true;
      }
    }
    return false;
  }
}
