import type { OutcomeReason } from '@capacloud/protocol/catalogue/reasons';
import type { Assignment } from '@capacloud/protocol/wire/frames';
import type { OutputLink, SkippedOutputs } from '@capacloud/protocol/wire/outputs-schema';
import type { LogGap } from '@capacloud/protocol/wire/receipt';
import type { AttemptKey, CollectedFile } from './ports.ts';
import type { RunStart } from './run-clock.ts';
import type { Sentence } from './sentence.ts';

/**
 * Where an attempt stands on this node; each names the work that comes next, so that a restart does it again.
 * settled: reported and cleaned up; the record stays until the coordinator has the report, because an attempt
 * that the agent no longer names would be assigned anew.
 */
export const attemptPhases = [
  'pulling',
  'fetching',
  'preparing',
  'starting',
  'running',
  'collecting',
  'uploading',
  'reporting',
  'cleaning',
  'settled',
] as const;
export type AttemptPhase = (typeof attemptPhases)[number];

/**
 * Why the agent ends an attempt. dropped: the coordinator no longer wants it. Its end is reported like any other, because
 * the coordinator may still count its resources as taken until it hears that the node has let go.
 */
export type StopCause = 'stopped' | 'dropped' | 'lease_lapsed' | 'run_timeout';

export interface Outcome {
  readonly reason: OutcomeReason;
  readonly message?: Sentence;
  /** With the reason image_wrong_platform, where it is known. */
  readonly imageRunsOn?: readonly string[];
}

/** What was seen when the container had ended. */
export interface Ending {
  readonly exitCode?: number;
  readonly oomKilled: boolean;
  readonly engineLost: boolean;
  readonly engineError?: Sentence;
  readonly pidsExhausted: boolean;
  readonly startedAtMs?: number;
  readonly finishedAtMs?: number;
}

export interface LogState {
  readonly sizeBytes: number;
  readonly truncated: boolean;
  /** What of it was not kept. */
  readonly gap?: LogGap;
  /** The coordinator has this many bytes. */
  readonly ackedBytes: number;
  /** Everything was acknowledged, or the coordinator wants no more of it. */
  readonly done: boolean;
}

/** All that is remembered of one attempt. Immutable; the journal keeps the latest. */
export interface AttemptRecord {
  readonly key: AttemptKey;
  readonly assignment: Assignment;
  readonly phase: AttemptPhase;
  readonly acceptedAtMs: number;
  readonly stop?: StopCause;
  readonly image?: string;
  /** The user id of its container, which no other attempt has until this one is settled. */
  readonly uid?: number;
  /** The engine was told to start the container, and may have done so whatever it says. */
  readonly startSent?: true;
  readonly runStart?: RunStart;
  readonly ending?: Ending;
  readonly outcome?: Outcome;
  /** Its container was stopped, and files of it are being saved for the next attempt; the outcome stands already. */
  readonly saving?: { readonly leftMs: number };
  readonly files: readonly CollectedFile[];
  /** When the coordinator first had no room for them; Unix milliseconds. */
  readonly heldSinceMs?: number;
  readonly links?: readonly OutputLink[];
  /** Outputs that are folders without a file. */
  readonly emptyFolders?: readonly string[];
  /** What among the outputs could not be kept. */
  readonly skipped?: SkippedOutputs;
  readonly log: LogState;
}

export function newAttempt(assignment: Assignment, nowMs: number): AttemptRecord {
  return {
    key: { task: assignment.task, attempt: assignment.attempt },
    assignment,
    phase: 'pulling',
    acceptedAtMs: nowMs,
    files: [],
    log: { sizeBytes: 0, truncated: false, ackedBytes: 0, done: false },
  };
}

// Every phase before reporting may fail (to reporting).
const transitions: Readonly<Record<AttemptPhase, readonly AttemptPhase[]>> = {
  pulling: ['fetching', 'reporting'],
  fetching: ['preparing', 'reporting'],
  preparing: ['starting', 'reporting'],
  starting: ['running', 'reporting'],
  running: ['collecting', 'reporting'],
  collecting: ['uploading', 'reporting'],
  uploading: ['reporting'],
  reporting: ['cleaning'],
  cleaning: ['settled'],
  settled: [],
};

export function mayAdvance(from: AttemptPhase, to: AttemptPhase): boolean {
  return transitions[from].includes(to);
}

type Change = Partial<
  Pick<
    AttemptRecord,
    | 'image'
    | 'runStart'
    | 'ending'
    | 'outcome'
    | 'saving'
    | 'files'
    | 'links'
    | 'emptyFolders'
    | 'skipped'
    | 'log'
  >
>;

/** The record in its next phase. An illegal transition is a programmer's error. */
export function advance(record: AttemptRecord, to: AttemptPhase, change: Change = {}): AttemptRecord {
  if (!mayAdvance(record.phase, to)) throw new Error(`an attempt cannot go from ${record.phase} to ${to}`);
  if (to === 'reporting' && (change.outcome ?? record.outcome) === undefined) {
    throw new Error('an attempt is not reported without an outcome');
  }
  return { ...record, ...change, phase: to };
}

/**
 * Whether the outputs of a run that took too long are being brought, like those of one that ended by itself: the stop has done
 * its work.
 */
export function bringsOutputs({ phase, stop }: AttemptRecord): boolean {
  return stop === 'run_timeout' && (phase === 'collecting' || phase === 'uploading');
}

/** Whether there is still something that a stop would end. */
export function isStoppable(record: AttemptRecord): boolean {
  return record.stop === undefined && !['reporting', 'cleaning', 'settled'].includes(record.phase);
}

/** The first cause stands: what happens after it is its consequence. */
export function requestStop(record: AttemptRecord, cause: StopCause): AttemptRecord {
  return isStoppable(record) ? { ...record, stop: cause } : record;
}
