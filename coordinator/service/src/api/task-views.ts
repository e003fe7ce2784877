import type { JobId } from '@capacloud/protocol/ids';
import { toShownText } from '@capacloud/protocol/input/plain-text';
import { endedTaskStates } from '@capacloud/protocol/routes/states';
import type { AttemptView, TaskView } from '@capacloud/protocol/routes/views';
import type { Receipt, SignedReceipt } from '@capacloud/protocol/wire/receipt';
import type { WaitingReason } from '../ports/explanations.ts';
import type { AttemptRow, TaskRow } from '../ports/read-store.ts';
import type { ApiDependencies } from './dependencies.ts';
import { attemptView, type TaskOutputs, taskView } from './views.ts';

/** Why a job waits is a look at every node, so it is not taken anew for each reader. */
const waitingForMs = 1_000;
const maxWaiting = 1_000;

/** Tasks and attempts with what the rows alone do not tell: receipts, pulls under way, why they wait. */
export class TaskViews {
  readonly #deps: ApiDependencies;
  readonly #waiting = new Map<
    JobId,
    { readonly at: number; readonly why: Promise<WaitingReason | undefined> }
  >();

  constructor(deps: ApiDependencies) {
    this.#deps = deps;
  }

  async ofTask(row: TaskRow): Promise<TaskView> {
    const ended = row.state === 'succeeded' || row.state === 'failed';
    const receipt = ended ? await this.#receiptOf(row, row.attempts) : undefined;
    const waiting = row.state === 'queued' ? await this.#whyWaiting(row.job) : undefined;
    const pull = row.state === 'pulling' ? this.#deps.live.get(row.id) : undefined;
    return taskView(row, {
      ...(await this.#outputsOf(row, receipt)),
      ...(waiting === undefined ? {} : { waiting }),
      ...(receipt?.message === undefined ? {} : { receiptMessage: receipt.message }),
      ...(pull === undefined ? {} : { pull }),
    });
  }

  /** Of a task that ended without success, what the latest attempt left that left anything. */
  async #outputsOf(row: TaskRow, receipt: Receipt | undefined): Promise<TaskOutputs> {
    if (row.state === 'succeeded') return outputsIn(receipt);
    if (!endedTaskStates.includes(row.state)) return outputsIn(undefined);
    const { artifactIndex, artifacts, committed } = this.#deps;
    let left = await artifactIndex.leftBy(row.id);
    if (left !== row.attempts && (receipt?.outputs.length ?? 0) > 0) {
      // It has just failed: the row may be seen before the commit is told of, and the claim follows from that.
      await committed.durable();
      await artifacts.claimed();
      left = await artifactIndex.leftBy(row.id);
    }
    const { outputs: _, links: __, ...noted } = outputsIn(receipt);
    if (left === undefined) return { outputs: [], ...noted };
    return { ...noted, ...outputsIn(await this.#storedReceipt(row.id, left)), attempt: left };
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
    const receipt = await this.#storedReceipt(row.id, attempt);
    return receipt?.reason === row.reason ? receipt : undefined;
  }

  async #storedReceipt(task: TaskRow['id'], attempt: number): Promise<Receipt | undefined> {
    const stored = await this.#deps.store.getReceipt(task, attempt);
    return stored === undefined
      ? undefined
      : shownReceipt((JSON.parse(stored.signed) as SignedReceipt).receipt);
  }

  #whyWaiting(job: JobId): Promise<WaitingReason | undefined> {
    const at = this.#deps.now();
    const known = this.#waiting.get(job);
    if (known !== undefined && at - known.at < waitingForMs) return known.why;
    const why = this.#deps.questions.waitingReason(job);
    if (this.#waiting.size >= maxWaiting) this.#waiting.clear();
    this.#waiting.set(job, { at, why });
    return why;
  }
}

/** What an agent says in words of its own, made fit to be read. Paths stay: files are found by them. */
function shownReceipt({ message, skipped, ...rest }: Receipt): Receipt {
  return {
    ...rest,
    ...(message === undefined ? {} : { message: toShownText(message) }),
    ...(skipped === undefined
      ? {}
      : {
          skipped: {
            total: skipped.total,
            first: skipped.first.map(({ path, why }) => ({ path: toShownText(path), why })),
          },
        }),
  };
}

function outputsIn(receipt: Receipt | undefined): TaskOutputs {
  if (receipt === undefined) return { outputs: [] };
  const { links, outputs, skipped } = receipt;
  return {
    outputs,
    ...(links === undefined ? {} : { links }),
    ...(skipped === undefined ? {} : { skipped }),
  };
}
