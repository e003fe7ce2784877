/**
 * The rules that the state machine follows. They are part of the log (first event, and each change), so that
 * an auditor replays every decision with the rules of its time. Integers only.
 */
export interface Ruleset {
  readonly version: 1;
  /** The coordinator's share of each charge, in hundredths of a percent. */
  readonly feeBasisPoints: number;
  /** Silence after which a node counts as unknown: nothing new is placed on it. */
  readonly unknownAfterMs: number;
  /** The right of an attempt to run without contact. The agent stops itself when it lapses. */
  readonly leaseMs: number;
  /** Added to the lease before a node counts as lost, for clocks that run at different speeds. */
  readonly lostMarginMs: number;
  /** From assigned to the first progress. */
  readonly assignTimeoutMs: number;
  readonly pullTimeoutMs: number;
  readonly startTimeoutMs: number;
  readonly uploadTimeoutMs: number;
  /** Added to a job's own timeout and grace period before the coordinator ends an attempt that the agent should have ended. */
  readonly runMarginMs: number;
  readonly maxTasksPerJob: number;
  /** Live (not yet ended) tasks that one account may have. */
  readonly maxLiveTasksPerAccount: number;
  // What follows came later: a log whose rules lack it is of a time when none of it was done.
  /** A node on which so many attempts in a row ended by its own fault gets nothing new for a while. */
  readonly nodeBackoffAfter?: number;
  /** How long at first, by how much longer with each further failure, and how long at most. */
  readonly nodeBackoffInitialMs?: number;
  readonly nodeBackoffFactor?: number;
  readonly nodeBackoffMaxMs?: number;
  /** For so long a silence of a node speaks against it. */
  readonly flapWindowMs?: number;
  /** Faults of devices at so many providers stop an image everywhere. */
  readonly poisonNodes?: number;
  /** For so long new jobs with it are refused. */
  readonly poisonMs?: number;
  /** For so long a fault counts. */
  readonly poisonEvidenceMs?: number;
  /** A fault that shows within this time after an attempt let go of the device may be the attempt's. */
  readonly poisonAfterMs?: number;
  /** For what has found no room for so long, nodes are kept free. */
  readonly reserveAfterMs?: number;
  /** Only those that are expected to have room within this time. */
  readonly reserveMaxMs?: number;
  /** For what pays in full and has found no room for so long, interruptible attempts are stopped. */
  readonly preemptAfterMs?: number;
  /** After its grace period, a task that makes way has so long to be saved. */
  readonly checkpointTimeoutMs?: number;
  /** How long the clock of `uploading` stands still at most, because the coordinator has no room for the outputs. */
  readonly uploadHoldMs?: number;
  /** Of one attempt: how often its upload may come to wait for room. After that its clock runs on; absent: any number. */
  readonly maxUploadHolds?: number;
  /** Nodes in the state for whose work nothing was paid yet. Where it is set, those that are lost are forgotten. */
  readonly maxUnprovenNodes?: number;
  /** Nodes that are kept while they are lost or gone. */
  readonly maxAwayNodes?: number;
}

export const defaultRuleset: Ruleset = {
  version: 1,
  feeBasisPoints: 300,
  unknownAfterMs: 15_000,
  leaseMs: 60_000,
  lostMarginMs: 5_000,
  assignTimeoutMs: 60_000,
  pullTimeoutMs: 30 * 60_000,
  startTimeoutMs: 5 * 60_000,
  uploadTimeoutMs: 30 * 60_000,
  runMarginMs: 60_000,
  maxTasksPerJob: 10_000,
  maxLiveTasksPerAccount: 100_000,
  nodeBackoffAfter: 3,
  nodeBackoffInitialMs: 30_000,
  nodeBackoffFactor: 2,
  nodeBackoffMaxMs: 60 * 60_000,
  flapWindowMs: 60 * 60_000,
  poisonNodes: 3,
  poisonMs: 6 * 60 * 60_000,
  poisonEvidenceMs: 24 * 60 * 60_000,
  poisonAfterMs: 60_000,
  reserveAfterMs: 5 * 60_000,
  reserveMaxMs: 6 * 60 * 60_000,
  preemptAfterMs: 30_000,
  checkpointTimeoutMs: 60_000,
  uploadHoldMs: 24 * 60 * 60_000,
  maxUploadHolds: 64,
  maxUnprovenNodes: 10_000,
  maxAwayNodes: 20_000,
};
