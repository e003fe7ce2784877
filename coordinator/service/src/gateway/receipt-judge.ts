import type { TaskId } from '@capacloud/protocol/ids';
import type { OutcomeReason } from '@capacloud/protocol/reasons';
import type { Receipt } from '@capacloud/protocol/receipt';
import type { Logger } from 'pino';
import type { ArtifactIndex } from '../ports/artifact-index.ts';
import { attemptNonce } from './assignment-writer.ts';
import type { Placements } from './placements.ts';
import type { RefusalCounts } from './refusal-counts.ts';
import type { Session } from './session.ts';

export interface JudgeDeps {
  readonly artifacts: Pick<ArtifactIndex, 'get' | 'listRefs'>;
  readonly counts: RefusalCounts;
  readonly logger: Logger;
  readonly placements: Placements;
  readonly nonceSecret: string;
}

/**
 * What a signed receipt of one session comes to. One that does not hold fails its attempt, as the provider's fault, and
 * nothing else: the agent gets its acknowledgement and can go on. The core takes it only for an attempt of this node.
 */
export class ReceiptJudge {
  readonly #session: Pick<Session, 'node' | 'provider'>;
  readonly #deps: JudgeDeps;

  constructor(session: Pick<Session, 'node' | 'provider'>, deps: JudgeDeps) {
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
    return reason === 'completed' && outputs.length > 0 ? this.#judgeOutputs(receipt) : reason;
  }

  #isConsistent({ node, task, attempt, nonce, reason, exitCode, oomKilled }: Receipt): boolean {
    return (
      node === this.#session.node &&
      nonce === this.#nonceOf(task, attempt) &&
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

  async #judgeOutputs(receipt: Receipt): Promise<OutcomeReason> {
    if (await this.#areUploaded(receipt)) return receipt.reason;
    this.#deps.counts.add('receipt.invalid');
    return 'upload_failed';
  }

  /** Each output is a whole artifact that this provider brought itself: nobody passes off the file of another. */
  async #areUploaded({ outputs }: Receipt): Promise<boolean> {
    for (const { sha256, sizeBytes } of outputs) {
      const row = await this.#deps.artifacts.get(sha256);
      if (row === undefined || !row.complete || row.sizeBytes !== sizeBytes) return false;
      const refs = await this.#deps.artifacts.listRefs(sha256, this.#session.provider);
      if (refs.length === 0) return false;
    }
    return true;
  }
}
