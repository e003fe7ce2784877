import type { Client } from '@capacloud/client/client';
import { listAll } from '@capacloud/client/pages';
import type { Event, JobSubmitted } from '@capacloud/core/contract/event';
import { type JobId, jobIdOf, type TaskId } from '@capacloud/protocol/ids';
import type { LedgerEntryView } from '@capacloud/protocol/routes/views';
import type { Findings } from './audit-log.ts';

/** What every account must have according to the log alone. A book of the auditor's own: it shares no code with the core. */
class Book {
  readonly balances = new Map<string, bigint>();
  readonly captures = new Map<TaskId, number>();
  openHoldsNano = 0n;
  readonly #jobs = new Map<JobId, { readonly terms: JobSubmitted; live: number }>();
  readonly #providers = new Map<string, string>();
  readonly #nodes = new Map<string, string>();

  record(event: Event): void {
    switch (event.type) {
      case 'account.credited':
        return this.#move('emission', event.account, BigInt(event.amountNano));
      case 'node.joined':
        this.#providers.set(event.node, event.provider);
        return undefined;
      case 'job.submitted':
        this.#jobs.set(event.job, { terms: event, live: event.tasks });
        this.openHoldsNano += BigInt(event.holdNano) * BigInt(event.tasks);
        return this.#move(event.consumer, 'holds', BigInt(event.holdNano) * BigInt(event.tasks));
      case 'attempt.assigned':
        this.#nodes.set(`${event.task}/${event.attempt}`, event.node);
        return undefined;
      case 'attempt.ended': {
        if (event.then.kind === 'requeued') return undefined;
        const holdNano = this.#endHold(event.task);
        const { consumer } = this.#termsOf(event.task);
        if (event.then.kind === 'failed') return this.#move('holds', consumer, holdNano);
        this.captures.set(event.task, (this.captures.get(event.task) ?? 0) + 1);
        const node = this.#nodes.get(`${event.task}/${event.attempt}`) ?? 'nobody';
        this.#move('holds', this.#providers.get(node) ?? node, BigInt(event.then.payNano));
        this.#move('holds', 'fees', BigInt(event.then.feeNano));
        return this.#move('holds', consumer, holdNano - BigInt(event.then.chargeNano));
      }
      case 'task.ended':
        return this.#move('holds', this.#termsOf(event.task).consumer, this.#endHold(event.task));
      case 'job.cancelled': {
        const job = this.#jobOf(event.job);
        const leftNano = BigInt(job.terms.holdNano) * BigInt(job.live);
        job.live = 0;
        this.openHoldsNano -= leftNano;
        return this.#move('holds', job.terms.consumer, leftNano);
      }
      case 'account.opened':
      case 'attempt.progressed':
      case 'attempt.released':
      case 'upload.held':
      case 'subject.isolated':
      case 'subject.reinstated':
      case 'upload.resumed':
      case 'image.poisoned':
      case 'job.settled':
      case 'log.opened':
      case 'node.offered':
      case 'node.status_changed':
      case 'node.forgotten':
      case 'ruleset.changed':
        return undefined;
    }
  }

  #move(from: string, to: string, amountNano: bigint): void {
    this.balances.set(from, (this.balances.get(from) ?? 0n) - amountNano);
    this.balances.set(to, (this.balances.get(to) ?? 0n) + amountNano);
  }

  #endHold(task: TaskId): bigint {
    const job = this.#jobOf(jobIdOf(task));
    const holdNano = BigInt(job.terms.holdNano);
    job.live -= 1;
    this.openHoldsNano -= holdNano;
    return holdNano;
  }

  #termsOf(task: TaskId): JobSubmitted {
    return this.#jobOf(jobIdOf(task)).terms;
  }

  #jobOf(id: JobId) {
    const job = this.#jobs.get(id);
    if (job === undefined) throw new Error(`the log ends a task of ${id} before it was submitted`);
    return job;
  }
}

/** Balances, entries and captures as served, against those that follow from the log. */
export async function auditMoney(
  operator: Client,
  events: readonly Event[],
  succeeded: ReadonlySet<TaskId>,
  findings: Findings,
): Promise<{ readonly paidTwice: number }> {
  const book = new Book();
  for (const event of events) book.record(event);
  if (book.openHoldsNano !== 0n) findings.push(`the log leaves holds of ${book.openHoldsNano} open`);

  let sumNano = 0n;
  const entries: LedgerEntryView[] = [];
  const seen = new Set<string>();
  for await (const account of listAll(operator, 'listAccounts', { query: { limit: 500 } })) {
    seen.add(account.id);
    const availableNano = BigInt(account.available_nano);
    sumNano += availableNano;
    const expectedNano = book.balances.get(account.id) ?? 0n;
    if (availableNano !== expectedNano)
      findings.push(`${account.id} has ${availableNano}; the log says ${expectedNano}`);
    if (account.held_nano !== '0') findings.push(`${account.id} still has ${account.held_nano} held`);
    let entriesNano = 0n;
    const query = { limit: 500 };
    for await (const entry of listAll(operator, 'listEntries', { params: { account: account.id }, query })) {
      entries.push(entry);
      entriesNano += BigInt(entry.delta_nano);
    }
    if (entriesNano !== availableNano)
      findings.push(`the entries of ${account.id} sum to ${entriesNano}, not to ${availableNano}`);
  }
  for (const [account, nano] of book.balances)
    if (nano !== 0n && !seen.has(account))
      findings.push(`${account} has ${nano} in the log and is not listed`);
  if (sumNano !== 0n) findings.push(`all accounts sum to ${sumNano}`);
  return { paidTwice: auditCaptures(book.captures, entries, succeeded, findings) };
}

/**
 * One payment for each task that succeeded, none for any other: by the log's events and by the ledger's entries. Gives
 * the number of tasks that were paid more than once.
 */
function auditCaptures(
  captures: ReadonlyMap<TaskId, number>,
  entries: readonly LedgerEntryView[],
  succeeded: ReadonlySet<TaskId>,
  findings: Findings,
): number {
  const takenFromHolds = new Map<string, number>();
  const endsOfHolds = new Map<string, number>();
  for (const { account, kind, task } of entries) {
    if (account !== 'holds' || task === undefined) continue;
    endsOfHolds.set(task, (endsOfHolds.get(task) ?? 0) + 1);
    if (kind === 'capture') takenFromHolds.set(task, (takenFromHolds.get(task) ?? 0) + 1);
  }
  for (const [task, ends] of endsOfHolds)
    if (ends !== 1) findings.push(`the hold of ${task} ended ${ends} times`);
  for (const [what, counts] of [
    ['events', captures],
    ['entries', takenFromHolds],
  ] as const) {
    for (const task of succeeded) {
      const count = counts.get(task) ?? 0;
      if (count !== 1) findings.push(`${task} succeeded and was paid ${count} times by the ${what}`);
    }
    for (const task of counts.keys())
      if (!succeeded.has(task as TaskId))
        findings.push(`${task} did not succeed and was paid by the ${what}`);
  }
  const paid = [...captures, ...takenFromHolds].filter(([, count]) => count > 1).map(([task]) => task);
  return new Set<string>(paid).size;
}
