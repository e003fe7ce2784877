import { type AccountId, type JobId, jobIdOf, type NodeId, type Sha256Hex } from '@capacloud/protocol/ids';
import type { JobSpecs } from '../job-specs.ts';
import type { ArtifactIndex } from '../ports/artifact-index.ts';
import type { ArtifactParty } from '../ports/artifact-store.ts';
import type { ArtifactQuestions } from '../ports/questions.ts';
import type { OutputClaims } from './output-claims.ts';

/**
 * Who may read which artifact: an account what it refers to; a node the inputs and checkpoints of the attempts that it should
 * run now. The account that a node names as its provider gives the node no rights.
 */
export class ArtifactAccess {
  readonly #index: Pick<ArtifactIndex, 'checkpointOf' | 'listRefs'>;
  readonly #questions: Pick<ArtifactQuestions, 'desiredOn' | 'isInState'>;
  readonly #specs: Pick<JobSpecs, 'get'>;
  readonly #claims: Pick<OutputClaims, 'catchUp'>;

  constructor(parts: {
    readonly index: Pick<ArtifactIndex, 'checkpointOf' | 'listRefs'>;
    readonly questions: Pick<ArtifactQuestions, 'desiredOn' | 'isInState'>;
    readonly specs: Pick<JobSpecs, 'get'>;
    readonly claims: Pick<OutputClaims, 'catchUp'>;
  }) {
    this.#index = parts.index;
    this.#questions = parts.questions;
    this.#specs = parts.specs;
    this.#claims = parts.claims;
  }

  /** Whether the job may still start attempts that fetch their inputs. */
  isLive(job: JobId): Promise<boolean> {
    return this.#questions.isInState(job);
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
    const attempts = await this.#questions.desiredOn(node);
    const consumers = new Map(attempts.map(({ consumer, task }) => [jobIdOf(task), consumer]));
    for (const [job, consumer] of consumers) {
      const spec = await this.#specs.get(job);
      const isInput = spec?.inputs.some((input) => input.sha256 === sha256) === true;
      if (isInput && (await this.#refers(consumer, sha256))) return true;
      if (spec?.checkpoint === undefined) continue;
      for (const { task } of attempts) {
        if (jobIdOf(task) === job && (await this.#index.checkpointOf(task))?.sha256 === sha256) return true;
      }
    }
    return false;
  }
}
