import type { NodeStatus } from '@capacloud/core/contract/event';
import type { Offer, Resources } from '@capacloud/protocol/capacity/resources';
import type { TaskReason } from '@capacloud/protocol/catalogue/reasons';
import type { AccountId, JobId, NodeId, Sha256Hex, TaskId } from '@capacloud/protocol/ids';
import type { JobStateName, TaskStateName } from '@capacloud/protocol/routes/states';

/**
 * History as the projections hold it: written in the transaction of the events, so it is always a durable
 * prefix of what happened. Times are Unix milliseconds, amounts bigint nano-CAPA.
 */

/** `cursor` is the `next` of an earlier page. `limit` is 1 to 1000. */
export interface PageRequest {
  readonly limit: number;
  readonly cursor?: string;
}
/** `next` is there when more follows. `cursors` holds, for each item, where a page that ends with it goes on. */
export interface Page<T> {
  readonly items: readonly T[];
  readonly cursors: readonly string[];
  readonly next?: string;
}
/** Undefined: the cursor is not one of ours. */
export type Paged<T> = Promise<Page<T> | undefined>;

export interface JobRow {
  readonly id: JobId;
  /** Index in the log of its job.submitted. */
  readonly event: number;
  readonly account: AccountId;
  readonly state: JobStateName;
  readonly name?: string;
  readonly image: string;
  readonly resources: Resources;
  readonly specHash: Sha256Hex;
  readonly maxRateNano: bigint;
  readonly tasks: {
    readonly total: number;
    readonly queued: number;
    readonly active: number;
    readonly succeeded: number;
    readonly failed: number;
    readonly cancelled: number;
    readonly expired: number;
  };
  readonly submittedAt: number;
  readonly endedAt?: number;
  readonly heldNano: bigint;
  readonly chargedNano: bigint;
}

export interface TaskRow {
  readonly id: TaskId;
  readonly job: JobId;
  readonly index: number;
  readonly state: TaskStateName;
  readonly reason: TaskReason;
  /** Attempts made so far; the number of the last one. */
  readonly attempts: number;
  /** Of the last attempt. */
  readonly node?: NodeId;
  readonly exitCode?: number;
  readonly chargedNano: bigint;
  readonly updatedAt: number;
}

export type AttemptState = 'assigned' | 'pulling' | 'starting' | 'running' | 'uploading' | 'ended';
export interface AttemptRow {
  readonly task: TaskId;
  readonly attempt: number;
  readonly node: NodeId;
  readonly provider: AccountId;
  readonly state: AttemptState;
  readonly reason: TaskReason;
  readonly exitCode?: number;
  readonly receipt?: Sha256Hex;
  readonly rateNano: bigint;
  readonly chargedNano: bigint;
  readonly meteredMs?: number;
  readonly assignedAt: number;
  readonly runningAt?: number;
  readonly endedAt?: number;
}

export interface NodeRow {
  readonly id: NodeId;
  readonly provider: AccountId;
  readonly status: NodeStatus;
  /** Cause of the last change of status. */
  readonly cause: string;
  readonly accepting: boolean;
  /** Undefined until the node has made its first offer. */
  readonly offer?: Offer;
  readonly joinedAt: number;
}

/** An attempt that has ended, as the market sees it. */
export interface TradeRow {
  /** Index in the log of the event that ended it; unknown of those from before format 4. */
  readonly event?: number;
  readonly task: TaskId;
  readonly attempt: number;
  readonly node: NodeId;
  readonly provider: AccountId;
  readonly deviceClass: string;
  readonly reason: TaskReason;
  /** An hour, for the task, and for one whole device or (without devices) processor. */
  readonly rateNano: bigint;
  readonly unitRateNano: bigint;
  readonly chargedNano: bigint;
  readonly payNano: bigint;
  readonly meteredMs?: number;
  readonly assignedAt: number;
  readonly endedAt: number;
}

/** Prices that were paid for a class in an hour or a day, for one whole device or processor an hour. */
export interface PriceRow {
  readonly deviceClass: string;
  readonly from: number;
  readonly trades: number;
  /** Milliseconds that whole devices or processors were metered. */
  readonly volumeMs: number;
  readonly minNano: bigint;
  /** Weighted by volume. */
  readonly meanNano?: bigint;
  readonly maxNano: bigint;
  readonly chargedNano: bigint;
}

export type SystemAccount = 'holds' | 'fees' | 'emission' | 'penalties' | 'custody';
export interface AccountRow {
  readonly id: AccountId | SystemAccount;
  readonly availableNano: bigint;
  /** Held for its live jobs; always 0 for system accounts. */
  readonly heldNano: bigint;
}
export interface LedgerEntryRow {
  /** Index of the event in the log that made it. */
  readonly event: number;
  readonly at: number;
  readonly kind: 'grant' | 'hold' | 'capture' | 'void' | 'expire';
  readonly account: AccountId | SystemAccount;
  readonly deltaNano: bigint;
  readonly job?: JobId;
  readonly task?: TaskId;
}

export interface ApiKeyRow {
  readonly id: string;
  readonly account: AccountId;
  readonly name: string;
  /** As written by the aside. */
  readonly scopes: string;
  readonly createdAt: number;
  readonly expiresAt?: number;
  readonly revokedAt?: number;
}
export interface IdempotencyRow {
  readonly requestHash: Sha256Hex;
  readonly status: number;
  readonly body: string;
  readonly at: number;
}
export interface KeptBytes {
  /** Specs of jobs. */
  readonly jobs: number;
  readonly receipts: number;
  /** Kept under idempotency keys. */
  readonly answers: number;
}
export interface SessionRow {
  readonly delegation: string;
  readonly signature: string;
}

export interface JobFilter {
  readonly state?: JobStateName;
  /** What the id begins with, `job_` included. Short prefixes look at many ids. */
  readonly idPrefix?: string;
  readonly name?: string;
}
export interface NodeFilter {
  readonly idPrefix?: string;
}

export interface ReadStore {
  /** Newest first. A page by name looks through a bounded number of jobs, so it may hold few or none and still have a next. */
  listJobs(account: AccountId, filter: JobFilter, page: PageRequest): Paged<JobRow>;
  getJob(job: JobId): Promise<JobRow | undefined>;
  /** How long recent tasks of the account with this image ran that succeeded, in milliseconds; at most 256, of recent jobs. */
  listRunTimes(account: AccountId, image: string): Promise<readonly number[]>;
  /** The private spec (JSON) and its salt. */
  getJobSpec(job: JobId): Promise<{ readonly spec: string; readonly salt: string } | undefined>;
  /** By index. */
  listTasks(job: JobId, filter: { readonly state?: TaskStateName }, page: PageRequest): Paged<TaskRow>;
  getTask(task: TaskId): Promise<TaskRow | undefined>;
  /** By number; at most the 1,000 latest. */
  listAttempts(task: TaskId): Promise<readonly AttemptRow[]>;
  getAttempt(task: TaskId, attempt: number): Promise<AttemptRow | undefined>;
  /** What the gateway stored: the signed receipt as JSON. */
  getReceipt(
    task: TaskId,
    attempt: number,
  ): Promise<{ readonly hash: Sha256Hex; readonly signed: string } | undefined>;
  /** The delegation that the node opened its last session with. */
  getNodeSession(node: NodeId): Promise<SessionRow | undefined>;
  /** In the order of joining. */
  listNodes(page: PageRequest, filter?: NodeFilter): Paged<NodeRow>;
  getNode(node: NodeId): Promise<NodeRow | undefined>;
  /** Newest first. */
  listTrades(page: PageRequest): Paged<TradeRow>;
  /** Newest first. */
  listPrices(
    filter: { readonly span: 'hour' | 'day'; readonly deviceClass?: string },
    page: PageRequest,
  ): Paged<PriceRow>;
  /** System accounts first, then in the order of opening. */
  listAccounts(page: PageRequest): Paged<AccountRow>;
  getAccount(account: AccountId | SystemAccount): Promise<AccountRow | undefined>;
  /** Newest first. */
  listLedgerEntries(account: AccountId | SystemAccount, page: PageRequest): Paged<LedgerEntryRow>;
  /** Revoked and expired keys are given too: the caller judges. */
  getApiKey(hash: Sha256Hex): Promise<ApiKeyRow | undefined>;
  getApiKeyById(id: string): Promise<ApiKeyRow | undefined>;
  /** Not the revoked ones; newest first. */
  listApiKeys(account: AccountId, page: PageRequest): Paged<ApiKeyRow>;
  /** Ids of the keys that are not revoked. */
  listApiKeyIds(account: AccountId): Promise<readonly string[]>;
  /** Keys that are good at that time, and keys that were made since another, whether they are good or not. */
  countApiKeys(
    account: AccountId,
    at: number,
    since: number,
  ): Promise<{ readonly good: number; readonly made: number }>;
  /** What private rows of the account take of the disk, with those that stay as long as they do. */
  keptBytes(account: AccountId): Promise<KeptBytes>;
  getIdempotency(account: AccountId, key: string): Promise<IdempotencyRow | undefined>;
}
