declare const brand: unique symbol;
export type Branded<T, Name extends string> = T & { readonly [brand]: Name };

/** Consumer, provider or operator account: `acc_` and a name, or the EIP-55-less lower-case address of a wallet. */
export type AccountId = Branded<string, 'AccountId'>;
/** `node_` and the 40 lower-case hex digits of the node's wallet address. */
export type NodeId = Branded<string, 'NodeId'>;
/** `job_` and 20 characters of lower-case base 32. */
export type JobId = Branded<string, 'JobId'>;
/** `<job id>.<index>`; the index is that of the replica, counted from 0. */
export type TaskId = Branded<string, 'TaskId'>;
/** 64 lower-case hex digits. */
export type Sha256Hex = Branded<string, 'Sha256Hex'>;

export const accountIdPattern = '^(acc_[a-z0-9][a-z0-9-]{0,38}|0x[0-9a-f]{40})$';
export const nodeIdPattern = '^node_[0-9a-f]{40}$';
export const jobIdPattern = '^job_[a-z2-7]{20}$';
/** Ids are random, so four characters find few of millions; fewer would look at too many. */
export const jobIdPrefixPattern = '^job_[a-z2-7]{4,20}$';
export const nodeIdPrefixPattern = '^node_[0-9a-f]{4,40}$';
export const taskIdPattern = '^job_[a-z2-7]{20}\\.(0|[1-9][0-9]{0,4})$';
export const sha256Pattern = '^[0-9a-f]{64}$';
export const addressPattern = '^0x[0-9a-f]{40}$';

/** `0x` and 40 lower-case hex digits. */
export type Address = string;

const accountId = new RegExp(accountIdPattern);
const nodeId = new RegExp(nodeIdPattern);
const jobId = new RegExp(jobIdPattern);
const taskId = new RegExp(taskIdPattern);
const sha256 = new RegExp(sha256Pattern);

export function isAccountId(text: string): text is AccountId {
  return accountId.test(text);
}

export function isNodeId(text: string): text is NodeId {
  return nodeId.test(text);
}
const jobIdPrefix = new RegExp(jobIdPrefixPattern);
const nodeIdPrefix = new RegExp(nodeIdPrefixPattern);
/** Whether a list can be asked for ids that begin so. */
export function isJobIdPrefix(text: string): boolean {
  return jobIdPrefix.test(text);
}
export function isNodeIdPrefix(text: string): boolean {
  return nodeIdPrefix.test(text);
}
export function isJobId(text: string): text is JobId {
  return jobId.test(text);
}
export function isTaskId(text: string): text is TaskId {
  return taskId.test(text);
}
export function isSha256(text: string): text is Sha256Hex {
  return sha256.test(text);
}

export function taskIdOf(job: JobId, index: number): TaskId {
  return `${job}.${index}` as TaskId;
}
export function jobIdOf(task: TaskId): JobId {
  return task.slice(0, task.indexOf('.')) as JobId;
}
export function taskIndexOf(task: TaskId): number {
  return Number(task.slice(task.indexOf('.') + 1));
}
/** Lower-case wallet address → the node's id. */
export function nodeIdOf(address: Address): NodeId {
  return `node_${address.slice(2)}` as NodeId;
}

const base32 = 'abcdefghijklmnopqrstuvwxyz234567';

/** 20 base-32 characters (100 bits) from 20 random bytes: the adapter brings the randomness. */
export function jobIdFrom(random: Uint8Array): JobId {
  let text = 'job_';
  for (let i = 0; i < 20; i++) text += base32[(random[i] ?? 0) & 31];
  return text as JobId;
}
