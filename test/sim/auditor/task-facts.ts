import type { AttemptEnded, JobTerms, Resources, Ruleset } from './entry.ts';
import type { MisfitBook } from './misfit-rules.ts';
import type { Tries } from './retry-rules.ts';

/** Stages of an attempt in their order; a report may pass over some and never goes back. */
export const stages = ['assigned', 'pulling', 'starting', 'running', 'uploading'] as const;
export const stageClocks: Readonly<Record<string, string>> = {
  assigned: 'assignment_timeout',
  pulling: 'pull_timeout',
  starting: 'start_timeout',
  running: 'run_timeout',
  uploading: 'upload_timeout',
};

/** How an attempt came to its end: by the node's receipt, by a clock of the coordinator, by the silence or the forgetting of its node, with its gang, or for another task. */
export type EndKind = 'receipt' | 'clock' | 'gang' | 'preempted' | 'lost' | 'forgotten' | 'cancelled';

export interface JobFacts {
  readonly terms: JobTerms;
  readonly submittedAt: number;
  /** True time. */
  readonly submittedMs: number;
  readonly tasks: readonly TaskFacts[];
  readonly misfits: MisfitBook;
  isCancelled: boolean;
  /** The newest end of an attempt that failed by itself. */
  failure: AttemptEnded | undefined;
  /** True time since when its image is stopped. */
  stoppedMs: number | undefined;
}

export interface TaskFacts {
  readonly id: string;
  readonly job: JobFacts;
  state: string;
  attempt: number;
  /** Where each attempt went (from the first), and how each ended. */
  readonly nodes: string[];
  readonly ends: EndKind[];
  /** What each attempt takes, by the alternative that it runs by. */
  readonly takes: Resources[];
  provider: string;
  rate: bigint;
  /** The current attempt was sold so that it may be stopped for others. */
  isInterruptible: boolean;
  assignedAt: number;
  runningAt: number;
  stageAt: number;
  /** When outputs of the current attempt first had no room (0: never), and whose room it is, while they have none. */
  heldAt: number;
  /** True time of that. */
  heldMs: number;
  heldFor: { readonly cause: string; readonly isFull: boolean } | undefined;
  notBefore: number;
  /** Its last attempt made way, and what it had is saved once its node has let go. */
  isSaving: boolean;
  readonly tries: Tries;
  /** Since when it waits, by the log. */
  waitsSince: number;
  /** True time of its last change. */
  changedMs: number;
  /** When its newest attempt was. */
  assignedMs: number;
}

/** What stays of a task when its job is settled. */
export interface PastTask {
  readonly state: string;
  readonly nodes: readonly string[];
  readonly ends: readonly EndKind[];
}

/** A task that waits for its first attempt. */
export function waitingTask(
  job: JobFacts,
  index: number,
  failures: Tries['failures'],
  nowMs: number,
): TaskFacts {
  return {
    id: `${job.terms.job}.${index}`,
    job,
    state: 'queued',
    attempt: 0,
    nodes: [],
    ends: [],
    takes: [],
    provider: '',
    rate: 0n,
    isInterruptible: false,
    assignedAt: 0,
    runningAt: 0,
    stageAt: job.submittedAt,
    heldAt: 0,
    heldMs: 0,
    heldFor: undefined,
    notBefore: 0,
    isSaving: false,
    tries: { failures, free: 0 },
    waitsSince: job.submittedAt,
    changedMs: nowMs,
    assignedMs: nowMs,
  };
}

export function isEnd(state: string): boolean {
  return state === 'succeeded' || state === 'failed' || state === 'cancelled' || state === 'expired';
}

export function isActive(state: string): boolean {
  return stages.some((stage) => stage === state);
}

/** What a task has when it makes way is there when it goes on; a gang starts anew. */
export function isSaved({ terms }: JobFacts): boolean {
  return terms.checkpoint === true && terms.gang !== true;
}

/** How long an attempt may stay in its stage. */
export function stageLimitMs({ state, job: { terms } }: TaskFacts, rules: Ruleset): number {
  switch (state) {
    case 'assigned':
      return rules.assignTimeoutMs;
    case 'pulling':
      return rules.pullTimeoutMs;
    case 'starting':
      return rules.startTimeoutMs;
    case 'running':
      return terms.runTimeoutMs + terms.stopGraceMs + rules.runMarginMs;
    default:
      return rules.uploadTimeoutMs;
  }
}

/** From when the waiting task may be ended for want of a node, by the log; one that was tried only where its image has few nodes. */
export function waitEnd({ attempt, job, waitsSince }: TaskFacts): number {
  const { misfits, submittedAt, terms } = job;
  if (attempt === 0) return submittedAt + terms.queueTimeoutMs;
  const { saidAt } = misfits;
  return saidAt === undefined
    ? Number.POSITIVE_INFINITY
    : Math.max(saidAt, waitsSince) + terms.queueTimeoutMs;
}
