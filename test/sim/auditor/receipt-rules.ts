import type { AttemptEnded } from './entry.ts';
import { holdReasons } from './hold-rules.ts';
import { check, fail } from './observation.ts';
import type { AskedOutput, HeardReceipt } from './spoken.ts';
import type { TaskFacts } from './task-facts.ts';

interface Evidence {
  readonly heard: readonly HeardReceipt[];
  /** That was told with the assignment. */
  readonly nonce: string | undefined;
  /** What the assignments of its job asked for; undefined where none of them was told. */
  readonly asked: readonly AskedOutput[] | undefined;
  /** By whose storage its outputs had no room then. */
  readonly heldFor: string | undefined;
  readonly wasUploaded: (sha256: string, sizeBytes: number) => boolean;
}

/** Reasons that the entry may give for a receipt as it was heard. */
function fitting(receipt: HeardReceipt, node: string, evidence: Evidence): readonly string[] {
  const { exitCode = 0, nonce, oomKilled, outputs, reason, saysNode } = receipt;
  const holds =
    saysNode === node &&
    nonce === evidence.nonce &&
    (reason !== 'completed' || (exitCode === 0 && !oomKilled));
  if (!holds) return ['agent_failed'];
  // Who gives up what there is no room for is not to blame.
  const failed = holdReasons[evidence.heldFor ?? ''] ?? 'upload_failed';
  if (reason === 'upload_failed') return [failed];
  if (reason !== 'completed') return [reason];
  if (evidence.asked !== undefined && !isAsAsked(outputs, evidence.asked)) return ['agent_failed'];
  if (outputs.length === 0) return [reason];
  const hasAll = outputs.every(({ sha256, sizeBytes }) => evidence.wasUploaded(sha256, sizeBytes));
  // What is missing when the receipt is judged may have come when its entry is durable.
  return hasAll ? [reason, failed] : [failed];
}

/** A success brings something for each output that it was asked for, nothing else, and nothing larger. */
function isAsAsked(outputs: HeardReceipt['outputs'], asked: readonly AskedOutput[]): boolean {
  const isBelow = (path: string, folder: string): boolean =>
    path === folder || path.startsWith(`${folder.replace(/\/$/, '')}/`);
  const isWanted = outputs.every(({ path, sizeBytes }) =>
    asked.some((each) => isBelow(path, each.path) && sizeBytes <= each.maxBytes),
  );
  const isWhole = asked.every(
    (each) => each.optional === true || outputs.some(({ path }) => isBelow(path, each.path)),
  );
  return isWanted && isWhole;
}

/** An attempt ends by a receipt that its own node sent, for the reason that it gives or because it does not hold. */
export function checkReceipt(entry: AttemptEnded, task: TaskFacts, node: string, evidence: Evidence): void {
  const what = `${entry.task}/${entry.attempt} ended as ${entry.reason}`;
  const own = evidence.heard.filter((receipt) => receipt.node === node);
  const receipt = own.find(
    (each) => each.exitCode === entry.exitCode && fitting(each, node, evidence).includes(entry.reason),
  );
  if (receipt === undefined)
    return fail(
      'receipt.source',
      `${what} with exit code ${entry.exitCode ?? 'none'}; ${node} sent ${JSON.stringify(own)}, nonce ${evidence.nonce ?? 'none'}`,
    );
  if (entry.then.kind !== 'succeeded') return;
  const { runTimeoutMs, stopGraceMs } = task.job.terms;
  const since = task.runningAt > 0 && task.runningAt < entry.at ? task.runningAt : task.assignedAt;
  // By then its run was over.
  const until = task.heldAt > 0 ? task.heldAt : entry.at;
  const { meteredMs } = entry.then;
  const isDue = own.some(
    ({ claimedMs }) =>
      meteredMs === Math.max(0, Math.min(claimedMs, until - since, runTimeoutMs + stopGraceMs)),
  );
  check(isDue, 'money.price', () => `${what} and is metered ${meteredMs} ms`);
}
