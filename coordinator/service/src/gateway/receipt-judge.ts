import type { OutcomeReason } from '@capacloud/protocol/catalogue/reasons';
import { jobIdOf, type TaskId } from '@capacloud/protocol/ids';
import type { JobSpec } from '@capacloud/protocol/job/job-spec';
import { checkpointOverheadBytes } from '@capacloud/protocol/wire/frames';
import { keptOutputsProtocol } from '@capacloud/protocol/wire/protocol-versions';
import type { Receipt } from '@capacloud/protocol/wire/receipt';
import type { Logger } from 'pino';
import { faultOfNamed, lacksDeclared } from '../declared-outputs.ts';
import type { JobSpecs } from '../job-specs.ts';
import { type ArtifactIndex, haveBrought } from '../ports/artifact-index.ts';
import type { GatewayQuestions } from '../ports/questions.ts';
import { attemptNonce } from './assignment-writer.ts';
import type { Placements } from './placements.ts';
import type { RefusalCounts } from './refusal-counts.ts';
import type { Session } from './session.ts';

export interface JudgeDeps {
  readonly artifacts: Pick<ArtifactIndex, 'get' | 'hasBrought' | 'keepCheckpoint'>;
  readonly specs: Pick<JobSpecs, 'get' | 'known'>;
  readonly counts: RefusalCounts;
  readonly logger: Logger;
  readonly placements: Placements;
  readonly nonceSecret: string;
  readonly questions: Pick<GatewayQuestions, 'consumerOfHeld'>;
}

/**
 * What a signed receipt of one session comes to. One that does not hold fails its attempt, as the provider's fault, and
 * nothing else: the agent gets its acknowledgement and can go on. The core takes it only for an attempt of this node.
 */
export class ReceiptJudge {
  readonly #session: Pick<Session, 'node' | 'protocol'>;
  readonly #deps: JudgeDeps;

  constructor(session: Pick<Session, 'node' | 'protocol'>, deps: JudgeDeps) {
    this.#session = session;
    this.#deps = deps;
  }

  judge(receipt: Receipt): OutcomeReason | Promise<OutcomeReason> {
    if (!this.#isConsistent(receipt)) {
      const { task, attempt } = receipt;
      this.#deps.counts.add('receipt.invalid');
      this.#deps.logger.warn({ node: this.#session.node, task, attempt }, 'receipt is invalid');
      return 'agent_failed';
    }
    const { outputs, reason } = receipt;
    if (reason === 'output_missing' && this.#session.protocol < keptOutputsProtocol)
      return this.#judgeMissing(receipt);
    if (reason === 'completed') return this.#judgeSuccess(receipt);
    return reason === 'stopped' && outputs.length > 0 ? this.#keepCheckpoint(receipt) : reason;
  }

  #isConsistent({ node, task, attempt, nonce, reason, exitCode, oomKilled }: Receipt): boolean {
    return (
      // guard: the receipt of the session’s own node
      node === this.#session.node &&
      // guard: the nonce of the attempt
      nonce === this.#nonceOf(task, attempt) &&
      // guard: completed means exit 0 and memory enough
      (reason !== 'completed' || ((exitCode ?? 0) === 0 && !oomKilled))
    );
  }

  /** Mostly known from sending it; of an attempt that has ended or was sent before a restart it is made again. */
  #nonceOf(task: TaskId, attempt: number): string {
    const placement = this.#deps.placements.get(task);
    return placement?.attempt === attempt && placement.nonce !== ''
      ? placement.nonce
      : attemptNonce(this.#deps.nonceSecret, task, attempt);
  }

  /** An older agent takes every output for required: then the task is tried elsewhere rather than failed. */
  async #judgeMissing({ reason, task }: Receipt): Promise<OutcomeReason> {
    const outputs = (await this.#deps.specs.get(jobIdOf(task)))?.outputs ?? [];
    return outputs.some(({ optional }) => optional === true) ? 'refused' : reason;
  }

  /** A job without outputs is judged at once: most are such, and their specs are in memory. */
  #judgeSuccess(receipt: Receipt): OutcomeReason | Promise<OutcomeReason> {
    const job = jobIdOf(receipt.task);
    const spec = this.#deps.specs.known(job);
    if (spec !== undefined && (spec.outputs.length === 0 || receipt.outputs.length === 0))
      return this.#judgeDeclared(receipt, spec.outputs);
    return this.#judgeOutputs(receipt);
  }

  async #judgeOutputs(receipt: Receipt): Promise<OutcomeReason> {
    const spec = await this.#deps.specs.get(jobIdOf(receipt.task));
    // The core says of a job that is not known what it says of any.
    if (spec === undefined) return receipt.reason;
    const reason = this.#judgeDeclared(receipt, spec.outputs);
    if (reason !== receipt.reason || (await this.#areUploaded(receipt))) return reason;
    this.#deps.counts.add('receipt.invalid');
    return 'upload_failed';
  }

  /** A success without what the job declared is none, and what the job did not declare is no output. */
  #judgeDeclared(receipt: Receipt, declared: JobSpec['outputs']): OutcomeReason {
    const { protocol } = this.#session;
    const fault = lacksDeclared(receipt, declared, protocol) ? 'missing' : faultOfNamed(receipt, declared);
    if (fault === undefined) return receipt.reason;
    const { task, attempt } = receipt;
    this.#deps.counts.add('receipt.invalid');
    this.#deps.logger.warn(
      { node: this.#session.node, task, attempt, fault },
      'the receipt contradicts the job',
    );
    return 'agent_failed';
  }

  /** Before its node is seen to let go of it: the next attempt goes on with what this one left. */
  async #keepCheckpoint(receipt: Receipt): Promise<OutcomeReason> {
    const { attempt, outputs, reason, task } = receipt;
    const [saved] = outputs;
    // A node that has lost the attempt has no say any more in where the task goes on.
    const consumer = await this.#deps.questions.consumerOfHeld({ task, attempt, node: this.#session.node });
    if (consumer === undefined || saved === undefined) return reason;
    const checkpoint = (await this.#deps.specs.get(jobIdOf(task)))?.checkpoint;
    const isRight =
      outputs.length === 1 &&
      saved.path === checkpoint?.path &&
      saved.sizeBytes <= checkpoint.maxBytes + checkpointOverheadBytes &&
      // guard: keep checkpoints that the node has brought itself
      (await this.#areUploaded(receipt));
    if (isRight) await this.#deps.artifacts.keepCheckpoint({ task, attempt, sha256: saved.sha256 }, consumer);
    else this.#deps.counts.add('receipt.invalid');
    return reason;
  }

  #areUploaded({ attempt, outputs, task }: Receipt): Promise<boolean> {
    return haveBrought(this.#deps.artifacts, { task, attempt }, outputs);
  }
}
