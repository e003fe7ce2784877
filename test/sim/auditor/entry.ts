import { fail } from './observation.ts';

/** The entries of the log as their documentation describes them; written here anew, so that a slip of the core is not shared. */
export interface Ruleset {
  readonly feeBasisPoints: number;
  readonly unknownAfterMs: number;
  readonly leaseMs: number;
  readonly lostMarginMs: number;
  readonly assignTimeoutMs: number;
  readonly pullTimeoutMs: number;
  readonly startTimeoutMs: number;
  readonly uploadTimeoutMs: number;
  readonly runMarginMs: number;
  readonly maxTasksPerJob: number;
  readonly maxLiveTasksPerAccount: number;
  readonly nodeBackoffAfter?: number;
  readonly nodeBackoffInitialMs?: number;
  readonly nodeBackoffFactor?: number;
  readonly nodeBackoffMaxMs?: number;
  readonly poisonNodes?: number;
  readonly poisonMs?: number;
  readonly poisonEvidenceMs?: number;
  readonly poisonAfterMs?: number;
  readonly preemptAfterMs?: number;
  readonly checkpointTimeoutMs?: number;
  readonly uploadHoldMs?: number;
  readonly maxUploadHolds?: number;
  readonly maxUnprovenNodes?: number;
  readonly maxAwayNodes?: number;
}

export interface DeviceRequest {
  readonly count: number;
  readonly vendor?: string;
  readonly models?: readonly string[];
  readonly memoryBytes?: number;
  readonly computeCapability?: string;
  readonly cuda?: string;
  readonly shareMilli?: number;
  readonly fabric?: string;
}
export interface Resources {
  readonly cpuMilli: number;
  readonly memoryBytes: number;
  readonly diskBytes: number;
  readonly devices?: DeviceRequest;
  /** What will do instead of `devices`, in order of preference. */
  readonly alternatives?: readonly DeviceRequest[];
}
export interface Device {
  readonly id: string;
  readonly vendor: string;
  readonly model: string;
  readonly memoryBytes: number;
  readonly computeCapability?: string;
  readonly cuda?: string;
  readonly health: string;
  readonly shareable?: boolean;
  readonly fabric?: string;
}
export interface Offer {
  readonly cpuMilli: number;
  readonly memoryBytes: number;
  readonly diskBytes: number;
  readonly slots: number;
  readonly devices: readonly Device[];
  readonly allowRoot: boolean;
  readonly arch?: string;
  readonly region?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly minRunMs?: number;
  readonly interruptibleDiscountPercent?: number;
  readonly ask: {
    readonly cpuHourNano: string;
    readonly memoryGibHourNano: string;
    readonly diskGibHourNano: string;
    readonly deviceHourNano: string;
  };
}

export interface Constraint {
  readonly key: string;
  readonly operator: string;
  readonly values: readonly string[];
}
export interface JobTerms {
  readonly job: string;
  readonly consumer: string;
  readonly image?: string;
  readonly tasks: number;
  readonly resources: Resources;
  readonly needsRoot: boolean;
  readonly providers: readonly string[];
  readonly excludeProviders: readonly string[];
  readonly regions?: readonly string[];
  readonly constraints?: readonly Constraint[];
  readonly queueTimeoutMs: number;
  readonly runTimeoutMs: number;
  readonly stopGraceMs: number;
  readonly maxAttempts: number;
  readonly retryOn: readonly string[];
  readonly retryExitCodes: readonly number[];
  readonly backoffInitialMs: number;
  readonly backoffMaxMs: number;
  readonly providerLost: number;
  readonly maxRateNano: string;
  readonly holdNano: string;
  readonly gang?: boolean;
  readonly interruptible?: boolean;
  readonly checkpoint?: boolean;
  readonly outputs?: boolean;
  readonly priority?: number;
}

export type After =
  | {
      readonly kind: 'succeeded';
      readonly chargeNano: string;
      readonly payNano: string;
      readonly feeNano: string;
      readonly meteredMs: number;
    }
  | { readonly kind: 'requeued'; readonly budget: string; readonly notBefore: number }
  | { readonly kind: 'failed' };

export interface AttemptEnded {
  readonly type: 'attempt.ended';
  readonly at: number;
  readonly task: string;
  readonly attempt: number;
  readonly reason: string;
  readonly exitCode?: number;
  /** Account for whose task it was preempted. */
  readonly preemptedFor?: string;
  readonly receipt?: string;
  readonly released: boolean;
  readonly then: After;
}
export interface AttemptAssigned {
  readonly type: 'attempt.assigned';
  readonly at: number;
  readonly task: string;
  readonly attempt: number;
  readonly node: string;
  readonly devices: readonly string[];
  /** 1 for the first of `alternatives`, and so on; nothing for `devices`. */
  readonly alternative?: number;
  readonly rateNano: string;
  readonly interruptible?: boolean;
}
export interface StatusChanged {
  readonly type: 'node.status_changed';
  readonly at: number;
  readonly node: string;
  readonly to: string;
  readonly cause: string;
}
export interface ImagePoisoned {
  readonly type: 'image.poisoned';
  readonly at: number;
  readonly image: string;
  readonly until: number;
  readonly faults: readonly {
    readonly at: number;
    readonly device: string;
    readonly node: string;
    readonly provider: string;
  }[];
}
/** Outputs of the attempt were refused, because there was no room for them. */
export interface UploadHeld {
  readonly type: 'upload.held';
  readonly at: number;
  readonly task: string;
  readonly attempt: number;
  readonly cause: string;
  readonly full?: boolean;
}
export interface JobSettled {
  readonly type: 'job.settled';
  readonly at: number;
  readonly job: string;
  readonly succeeded: number;
  readonly failed: number;
  readonly cancelled: number;
  readonly expired: number;
}

/** The node is known no more, and may join again. */
export interface NodeForgotten {
  readonly type: 'node.forgotten';
  readonly at: number;
  readonly node: string;
  readonly cause: string;
}

/** A decision was dropped, because it broke an invariant of the core. */
interface SubjectIsolated {
  readonly type: 'subject.isolated';
  readonly at: number;
  readonly subject: string;
  readonly cause: string;
}

interface Ruled<T extends string> {
  readonly type: T;
  readonly at: number;
  readonly ruleset: Ruleset;
}
export type RulesEntry = Ruled<'log.opened'> | Ruled<'ruleset.changed'>;
export type Entry =
  | RulesEntry
  | { readonly type: 'account.opened'; readonly at: number; readonly account: string }
  | {
      readonly type: 'account.credited';
      readonly at: number;
      readonly account: string;
      readonly amountNano: string;
      readonly ref: string;
    }
  | { readonly type: 'node.joined'; readonly at: number; readonly node: string; readonly provider: string }
  | {
      readonly type: 'node.offered';
      readonly at: number;
      readonly node: string;
      readonly provider: string;
      readonly offer: Offer;
      readonly accepting: boolean;
    }
  | StatusChanged
  | SubjectIsolated
  | { readonly type: 'subject.reinstated'; readonly at: number; readonly subject: string }
  | NodeForgotten
  | ({ readonly type: 'job.submitted'; readonly at: number } & JobTerms)
  | { readonly type: 'job.cancelled'; readonly at: number; readonly job: string }
  | {
      readonly type: 'task.ended';
      readonly at: number;
      readonly task: string;
      readonly outcome: string;
      readonly reason: string;
    }
  | ImagePoisoned
  | JobSettled
  | AttemptAssigned
  | {
      readonly type: 'attempt.progressed';
      readonly at: number;
      readonly task: string;
      readonly attempt: number;
      readonly stage: string;
    }
  | UploadHeld
  | {
      readonly type: 'upload.resumed';
      readonly at: number;
      readonly task: string;
      readonly attempt: number;
    }
  | AttemptEnded
  | {
      readonly type: 'attempt.released';
      readonly at: number;
      readonly task: string;
      readonly attempt: number;
      readonly node: string;
    };

export function parseEntry(line: string): Entry {
  const entry = JSON.parse(line) as Entry;
  if (typeof entry.type !== 'string' || !Number.isSafeInteger(entry.at))
    fail('log.shape', `not an entry: ${line}`);
  return entry;
}

/** A frame, given as an object or as its text. */
export function parseFrame(frame: unknown): Readonly<Record<string, unknown>> | undefined {
  let value = frame;
  if (typeof frame === 'string') {
    try {
      value = JSON.parse(frame);
    } catch {
      return undefined;
    }
  }
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
}

/** Job of a task: the part before the dot. */
export function jobOf(task: string): string {
  return task.slice(0, task.lastIndexOf('.'));
}
