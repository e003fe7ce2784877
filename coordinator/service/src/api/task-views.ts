import { type WaitingReason, waitingReason } from '@capacloud/core/scheduler/why/waiting-reason';
import type { JobId } from '@capacloud/protocol/ids';
import type { Receipt, SignedReceipt } from '@capacloud/protocol/receipt';
import type { AttemptView, TaskView } from '@capacloud/protocol/views';
import type { AttemptRow, TaskRow } from '../ports/read-store.ts';
import type { ApiDependencies } from './dependencies.ts';
import { attemptView, taskView } from './views.ts';

/** Why a job waits is a look at every node, so it is not taken anew for each reader. */
const waitingForMs = 1_000;
const maxWaiting = 1_000;

/** Tasks and attempts with what the rows alone do not tell: receipts, pulls under way, why they wait. */
export class TaskViews {
  readonly #deps: ApiDependencies;
  readonly #waiting = new Map<JobId, { readonly at: number; readonly why: WaitingReason | undefined }>();

  constructor(deps: ApiDependencies) {
    this.#deps = deps;
  }

  ofTasks(rows: readonly TaskRow[]): Promise<TaskView[]> {
    return Promise.all(rows.map((row) => this.ofTask(row)));
  }

  async ofTask(row: TaskRow): Promise<TaskView> {
    const ended = row.state === 'succeeded' || row.state === 'failed';
    const receipt = ended ? await this.#receiptOf(row, row.attempts) : undefined;
    const waiting = row.state === 'queued' ? this.#whyWaiting(row.job) : undefined;
    const pull = row.state === 'pulling' ? this.#deps.live.get(row.id) : undefined;
    return taskView(row, {
      outputs: row.state === 'succeeded' ? (receipt?.outputs ?? []) : [],
      ...(waiting === undefined ? {} : { waiting }),
      ...(receipt?.message === undefined ? {} : { receiptMessage: receipt.message }),
      ...(pull === undefined ? {} : { pull }),
    });
  }

  async ofAttempt(row: AttemptRow): Promise<AttemptView> {
    const receipt =
      row.receipt === undefined
        ? undefined
        : await this.#receiptOf({ id: row.task, reason: row.reason }, row.attempt);
    return attemptView(row, receipt);
  }

  /** The receipt, where the agent's judgement is the one that stands. */
  async #receiptOf(
    row: { readonly id: TaskRow['id']; readonly reason: TaskRow['reason'] },
    attempt: number,
  ): Promise<Receipt | undefined> {
    if (attempt === 0) return undefined;
    const stored = await this.#deps.store.getReceipt(row.id, attempt);
    if (stored === undefined) return undefined;
    const { receipt } = JSON.parse(stored.signed) as SignedReceipt;
    return receipt.reason === row.reason ? receipt : undefined;
  }

  #whyWaiting(job: JobId): WaitingReason | undefined {
    const at = this.#deps.now();
    const known = this.#waiting.get(job);
    if (known !== undefined && at - known.at < waitingForMs) return known.why;
    const why = waitingReason(this.#deps.sequencer.state, job);
    if (this.#waiting.size >= maxWaiting) this.#waiting.clear();
    this.#waiting.set(job, { at, why });
    return why;
  }
}
