import type { AccountId, NodeId } from '@capacloud/protocol/ids';
import { canonicalJson } from '@capacloud/protocol/log/canonical';
import { mustGet, unreachable } from './assert.ts';
import type { Event } from './contract/event.ts';
import { transfersOf } from './slices/account/transfers.ts';
import { tellsOfImage } from './slices/job/misfits.ts';
import { imageOf, isBlamedFor } from './slices/node/standing.ts';
import {
  type AccountText,
  accountText,
  houseText,
  isUntouched,
  type NodeText,
  nodeText,
  notesText,
  type TaskText,
  taskText,
  termsText,
} from './snapshot-text.ts';
import type { Account, Job, NodeRecord, State, Task } from './state.ts';

/**
 * The state as it is now, to be written piece by piece while the live one moves on. As long as it is open, `apply`
 * shows it each event first, and what the event is about to change and was not written yet is copied. That costs
 * what changes, not what there is; the lists of live jobs and of nodes are all that is taken at once.
 */
export class StateCapture {
  readonly #state: State;
  readonly #jobs: readonly Job[];
  readonly #jobSeq: number;
  readonly #nodes: readonly NodeRecord[];
  readonly #accounts: number;
  readonly #rest: readonly [middle: string, end: string];
  /** As they were. An untried task has no text. */
  readonly #oldAccounts = new Map<AccountId, AccountText>();
  readonly #oldNodes = new Map<NodeRecord, NodeText>();
  readonly #oldTasks = new Map<Task, TaskText | undefined>();
  /** Of jobs whose terms were replaced since; the terms themselves never change. */
  readonly #oldTerms = new Map<Job, Job['terms']>();
  readonly #cancelledSince = new Set<Job>();
  /** Everything of jobs before this one is written, and its tasks before the index. */
  #doneSeq = 0;
  #doneIndex = 0;
  #accountsDone = false;

  constructor(state: State) {
    this.#state = state;
    this.#jobs = [...state.jobs.values()];
    this.#jobSeq = state.jobSeq;
    this.#nodes = [...state.nodes.values()];
    this.#accounts = state.accounts.size;
    const { house, jobSeq, origin, ruleset } = state;
    const middle = canonicalJson({ house: houseText(house), ...notesText(state), jobSeq });
    const end = canonicalJson({ origin, ruleset, version: 1 });
    this.#rest = [middle.slice(1, -1), end.slice(1)];
    state.captures.add(this);
  }

  /**
   * The canonical text, in order, in pieces of at most so many tasks, accounts or nodes (some microseconds each). The
   * capture is closed when they end or are left. With `recordPerLine`, a line break stands before and after each account, job
   * and node: the same JSON, which `decodeStateLines` reads without ever holding all of it as one string.
   */
  *pieces(itemsPerPiece: number, recordPerLine = false): Generator<string, void, undefined> {
    const lineBreak = recordPerLine ? '\n' : '';
    const comma = `,${lineBreak}`;
    const accounts = first(this.#state.accounts.values(), this.#accounts);
    try {
      yield `{"accounts":[${lineBreak}`;
      yield* joined(accounts, { itemsPerPiece, comma }, this.#accountText);
      this.#accountsDone = true;
      this.#oldAccounts.clear();
      yield `${lineBreak}],${this.#rest[0]},"jobs":[${lineBreak}`;
      for (let i = 0; i < this.#jobs.length; i++)
        yield* this.#job(this.#jobs[i] as Job, i === 0 ? '' : comma, itemsPerPiece);
      yield `${lineBreak}],"nodes":[${lineBreak}`;
      yield* joined(this.#nodes, { itemsPerPiece, comma }, this.#nodeText);
      yield `${lineBreak}],${this.#rest[1]}`;
    } finally {
      this.close();
    }
  }

  close(): void {
    this.#state.captures.delete(this);
  }

  /** `apply` is about to change the state by this event. */
  keep(event: Event): void {
    if (!this.#accountsDone) this.#keepAccounts(event);
    switch (event.type) {
      case 'node.offered':
      case 'node.status_changed':
      case 'node.forgotten':
        this.#keepNode(event.node);
        return;
      case 'attempt.released':
      case 'attempt.assigned':
        this.#keepNode(event.node);
        this.#keepTask(mustGet(this.#state.tasks, event.task, 'task'));
        return;
      case 'attempt.ended': {
        const task = mustGet(this.#state.tasks, event.task, 'task');
        if (task.node !== undefined) this.#keepNode(task.node);
        this.#keepTask(task);
        // Those that its end may clear of what its image did there.
        const { losses, jobs } = this.#state;
        const job = mustGet(jobs, task.job, 'job');
        for (const id of losses.get(imageOf(job)) ?? []) this.#keepNode(id);
        const isNews = tellsOfImage(event.reason) || job.terms.misfits !== undefined;
        if (isNews && !this.#oldTerms.has(job)) this.#oldTerms.set(job, job.terms);
        return;
      }
      case 'upload.held': {
        const task = mustGet(this.#state.tasks, event.task, 'task');
        if (task.node !== undefined) this.#keepNode(task.node);
        this.#keepTask(task);
        return;
      }
      case 'attempt.progressed':
      case 'task.ended':
      case 'upload.resumed':
        this.#keepTask(mustGet(this.#state.tasks, event.task, 'task'));
        return;
      case 'image.poisoned':
        for (const node of this.#state.nodes.values())
          if (isBlamedFor(node, event.image)) this.#keepNode(node.id);
        return;
      case 'job.cancelled': {
        const job = mustGet(this.#state.jobs, event.job, 'job');
        this.#cancelledSince.add(job);
        for (const task of job.tasks) this.#keepTask(task);
        return;
      }
      // They add what comes after the capture, take away a job that changes no more, or replace what it has.
      case 'log.opened':
      case 'ruleset.changed':
      case 'account.opened':
      case 'account.credited':
      case 'node.joined':
      case 'job.submitted':
      case 'job.settled':
      case 'subject.isolated':
      case 'subject.reinstated':
        return;
      default:
        return unreachable(event);
    }
  }

  /** A grant is a transfer, too. An attempt that ends may change what two accounts owe. */
  #keepAccounts(event: Event): void {
    if (event.type === 'attempt.ended') {
      if (event.preemptedFor !== undefined) this.#keepAccount(event.preemptedFor);
      const { jobs, tasks } = this.#state;
      const job = jobs.get(mustGet(tasks, event.task, 'task').job);
      if (job !== undefined && event.then.kind === 'succeeded') this.#keepAccount(job.consumer);
    }
    for (const { entries } of transfersOf(this.#state, event))
      for (const { account } of entries) this.#keepAccount(account as AccountId);
  }

  /** Those of the house are among the balances. */
  #keepAccount(id: AccountId): void {
    if (this.#oldAccounts.has(id)) return;
    const account = this.#state.accounts.get(id);
    if (account !== undefined) this.#oldAccounts.set(id, accountText(account));
  }

  #keepNode(id: NodeId): void {
    const node = this.#state.nodes.get(id);
    if (node !== undefined && !this.#oldNodes.has(node)) this.#oldNodes.set(node, nodeText(node));
  }

  #keepTask(task: Task): void {
    if (this.#oldTasks.has(task)) return;
    const { seq } = mustGet(this.#state.jobs, task.job, 'job');
    if (seq > this.#jobSeq || seq < this.#doneSeq || (seq === this.#doneSeq && task.index < this.#doneIndex))
      return;
    this.#oldTasks.set(task, textOf(task));
  }

  readonly #accountText = (account: Account): string =>
    canonicalJson(this.#oldAccounts.get(account.id) ?? accountText(account));

  readonly #nodeText = (node: NodeRecord): string =>
    canonicalJson(this.#oldNodes.get(node) ?? nodeText(node));

  *#job(job: Job, before: string, itemsPerPiece: number): Generator<string, void, undefined> {
    const { consumer, id, seq, submittedAt, tasks } = job;
    const terms = this.#oldTerms.get(job) ?? job.terms;
    this.#doneSeq = seq;
    this.#doneIndex = 0;
    const cancelled = job.cancelled && !this.#cancelledSince.has(job);
    let text = `${before}${canonicalJson({ cancelled, consumer, id, seq, submittedAt }).slice(0, -1)},"tasks":[`;
    let written = 0;
    for (const task of tasks) {
      const value = this.#takeTask(task);
      this.#doneIndex = task.index + 1;
      if (value !== undefined) {
        text += `${written === 0 ? '' : ','}${canonicalJson(value)}`;
        written += 1;
      }
      if (this.#doneIndex % itemsPerPiece === 0) {
        yield text;
        text = '';
      }
    }
    yield `${text}],"terms":${canonicalJson(termsText(terms))}}`;
  }

  #takeTask(task: Task): TaskText | undefined {
    if (!this.#oldTasks.has(task)) return textOf(task);
    const old = this.#oldTasks.get(task);
    this.#oldTasks.delete(task);
    return old;
  }
}

function textOf(task: Task): TaskText | undefined {
  return isUntouched(task) ? undefined : taskText(task);
}

function* first<T>(items: Iterable<T>, count: number): Generator<T, void, undefined> {
  let taken = 0;
  for (const item of items) {
    if (taken === count) return;
    taken += 1;
    yield item;
  }
}

function* joined<T>(
  items: Iterable<T>,
  { itemsPerPiece, comma }: { readonly itemsPerPiece: number; readonly comma: string },
  textOf: (item: T) => string,
): Generator<string, void, undefined> {
  let text = '';
  let count = 0;
  for (const item of items) {
    text += count === 0 ? textOf(item) : `${comma}${textOf(item)}`;
    count += 1;
    if (count % itemsPerPiece !== 0) continue;
    yield text;
    text = '';
  }
  yield text;
}
