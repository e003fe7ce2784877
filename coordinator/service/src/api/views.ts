import type { Offer } from '@capacloud/protocol/capacity/resources';
import { type ReasonEntry, taskReasons } from '@capacloud/protocol/catalogue/reasons';
import { isTaskId } from '@capacloud/protocol/ids';
import type {
  AccountView,
  AttemptView,
  JobView,
  LedgerEntryView,
  NodeView,
  TaskView,
} from '@capacloud/protocol/routes/views';
import type { Receipt } from '@capacloud/protocol/wire/receipt';
import type { WaitingReason } from '../ports/explanations.ts';
import type { PullProgress } from '../ports/live-activity.ts';
import type { NodeUse } from '../ports/questions.ts';
import type {
  AccountRow,
  AttemptRow,
  JobRow,
  LedgerEntryRow,
  NodeRow,
  TaskRow,
} from '../ports/read-store.ts';

/** Rows of the store → what the API shows. */

export function timeText(at: number): string {
  return new Date(at).toISOString();
}

export function jobView(row: JobRow): JobView {
  return {
    id: row.id,
    ...(row.name === undefined ? {} : { name: row.name }),
    account: row.account,
    state: row.state,
    image: row.image,
    resources: row.resources,
    tasks: { ...row.tasks },
    submitted_at: timeText(row.submittedAt),
    ...(row.endedAt === undefined ? {} : { ended_at: timeText(row.endedAt) }),
    held_nano: `${row.heldNano}`,
    charged_nano: `${row.chargedNano}`,
    max_rate_nano: `${row.maxRateNano}`,
    spec_hash: row.specHash,
  };
}

/** What a task produced; `attempt` where it is what an attempt left that did not succeed. */
export interface TaskOutputs extends Pick<Receipt, 'links' | 'outputs' | 'skipped'> {
  readonly attempt?: number;
}

export interface TaskParticulars extends TaskOutputs {
  /** Why it waits, where that is known better than the row says. */
  readonly waiting?: WaitingReason;
  readonly receiptMessage?: string;
  readonly pull?: PullProgress;
}

const endedStates: readonly TaskView['state'][] = ['succeeded', 'failed', 'cancelled', 'expired'];

/** The catalogue speaks of the next try; after the last one there is none. */
const lastTryHint = 'No try is left: submit the job again later, or raise retry.provider_lost.';

function isProviders(fault: ReasonEntry['fault']): boolean {
  return fault === 'provider' || fault === 'platform';
}

export function taskView(row: TaskRow, more: TaskParticulars): TaskView {
  const reason = more.waiting?.reason ?? row.reason;
  const entry = taskReasons[reason];
  const { pull } = more;
  return {
    id: row.id,
    job: row.job,
    index: row.index,
    state: row.state,
    reason,
    message: more.waiting?.message ?? more.receiptMessage ?? entry.sentence,
    hint: row.state === 'failed' && isProviders(entry.fault) ? lastTryHint : entry.hint,
    will_retry: !endedStates.includes(row.state),
    attempts: row.attempts,
    ...(row.node === undefined ? {} : { node: row.node }),
    ...(row.exitCode === undefined ? {} : { exit_code: row.exitCode }),
    charged_nano: `${row.chargedNano}`,
    ...(pull === undefined || row.state !== 'pulling' || pull.attempt !== row.attempts
      ? {}
      : { pull: { done_bytes: pull.doneBytes, total_bytes: pull.totalBytes } }),
    outputs: [...more.outputs],
    ...(more.links === undefined ? {} : { links: [...more.links] }),
    ...(more.skipped === undefined ? {} : { skipped: more.skipped }),
    ...(more.attempt === undefined ? {} : { outputs_attempt: more.attempt }),
    updated_at: timeText(row.updatedAt),
  };
}

/** `receipt`: the agent's, where its judgement is the one that stands. */
export function attemptView(row: AttemptRow, receipt?: Receipt): AttemptView {
  const entry = taskReasons[row.reason];
  return {
    task: row.task,
    attempt: row.attempt,
    node: row.node,
    provider: row.provider,
    state: row.state,
    reason: row.reason,
    message: receipt?.message ?? entry.sentence,
    hint: entry.hint,
    ...(row.exitCode === undefined ? {} : { exit_code: row.exitCode }),
    ...(receipt === undefined ? {} : { log: logView(receipt) }),
    ...(row.receipt === undefined ? {} : { receipt: row.receipt }),
    rate_nano: `${row.rateNano}`,
    charged_nano: `${row.chargedNano}`,
    ...(row.meteredMs === undefined ? {} : { metered_ms: row.meteredMs }),
    assigned_at: timeText(row.assignedAt),
    ...(row.runningAt === undefined ? {} : { running_at: timeText(row.runningAt) }),
    ...(row.endedAt === undefined ? {} : { ended_at: timeText(row.endedAt) }),
  };
}

function logView({ log: { gap, sizeBytes } }: Receipt): NonNullable<AttemptView['log']> {
  return { size_bytes: sizeBytes, ...(gap === undefined ? {} : { gap }) };
}

const noOffer: Offer = {
  cpuMilli: 0,
  memoryBytes: 0,
  diskBytes: 0,
  slots: 1,
  devices: [],
  arch: 'unknown',
  allowRoot: false,
  ask: { cpuHourNano: '0', memoryGibHourNano: '0', diskGibHourNano: '0', deviceHourNano: '0' },
};

export function nodeView(row: NodeRow, use: NodeUse): NodeView {
  return {
    id: row.id,
    provider: row.provider,
    status: row.status,
    cause: row.cause,
    accepting: row.accepting,
    offer: row.offer ?? noOffer,
    used: { ...use },
    joined_at: timeText(row.joinedAt),
  };
}

export function accountView(row: AccountRow): AccountView {
  return { id: row.id, available_nano: `${row.availableNano}`, held_nano: `${row.heldNano}` };
}

export function ledgerEntryView(row: LedgerEntryRow): LedgerEntryView {
  return {
    event: row.event,
    at: timeText(row.at),
    kind: row.kind,
    account: row.account,
    delta_nano: `${row.deltaNano}`,
    ...(row.job === undefined ? {} : { job: row.job }),
    ...(row.task === undefined || !isTaskId(row.task) ? {} : { task: row.task }),
  };
}
