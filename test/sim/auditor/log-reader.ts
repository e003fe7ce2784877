import type { Books } from './books.ts';
import { checkCrowd, checkForgotten } from './crowd-rules.ts';
import {
  type AttemptEnded,
  type Entry,
  type ImagePoisoned,
  type NodeForgotten,
  type RulesEntry,
  type Ruleset,
  type UploadHeld,
} from './entry.ts';
import { check, fail } from './observation.ts';
import { imageOf } from './poison-book.ts';
import { checkReceipt } from './receipt-rules.ts';
import { isActive, type JobFacts } from './task-facts.ts';

/** Enters what the log says into the books, entry by entry. */
export class LogReader {
  readonly outcomes = { succeeded: 0, failed: 0, cancelled: 0, expired: 0 };
  readonly #books: Books;
  #rules: Ruleset | undefined;
  #lastAt = 0;

  constructor(books: Books) {
    this.#books = books;
  }

  get hasBegun(): boolean {
    return this.#rules !== undefined;
  }

  ruleset(): Ruleset {
    return this.#rules ?? fail('log.shape', 'the log does not begin with its opening');
  }

  take(entry: Entry): void {
    check(
      entry.at >= this.#lastAt,
      'log.order',
      () => `${entry.type} at ${entry.at} follows ${this.#lastAt}`,
    );
    this.#lastAt = entry.at;
    if (entry.type === 'log.opened')
      check(this.#rules === undefined, 'log.shape', () => 'the log is opened twice');
    if (entry.type === 'log.opened' || entry.type === 'ruleset.changed') {
      this.#rules = entry.ruleset;
      return;
    }
    this.#book(entry, this.ruleset());
  }

  #book(entry: Exclude<Entry, RulesEntry>, rules: Ruleset): void {
    const { at } = entry;
    const nowMs = this.#books.nowMs;
    if (entry.type !== 'image.poisoned') this.#books.poison.checkNoneDue();
    switch (entry.type) {
      case 'account.opened':
        return this.#books.money.open(entry.account);
      case 'account.credited':
        return this.#books.money.grant(entry.account, BigInt(entry.amountNano), entry.ref);
      case 'node.joined':
        this.#books.nodes.join(entry.node, entry.provider, at, nowMs);
        return checkCrowd(this.#books.nodes, rules);
      case 'node.forgotten':
        return this.#forget(entry, rules);
      case 'node.offered':
        this.#books.poison.offer(
          this.#books.nodes.get(entry.node),
          entry.offer,
          at,
          entry.provider,
          rules,
          this.#books.tasks.live,
        );
        this.#books.preemptions.forget(entry.node);
        return this.#books.nodes.offer(entry.node, entry.provider, entry.offer, entry.accepting, at);
      case 'node.status_changed':
        this.#books.preemptions.forget(entry.node);
        return this.#books.nodes.changeStatus(entry, rules, nowMs);
      case 'job.submitted':
        this.#books.poison.checkWelcome(entry.job, imageOf({ terms: entry }), at);
        return this.#books.tasks.submit(entry, at, rules, nowMs);
      case 'job.cancelled':
        this.#expectStops(this.#books.tasks.jobs.get(entry.job));
        return this.#books.tasks.cancel(entry.job, nowMs);
      case 'image.poisoned':
        return this.#stop(entry, rules, nowMs);
      case 'task.ended':
        if (entry.outcome === 'cancelled') this.#expectStop(entry.task);
        return this.#books.tasks.endWithoutAttempt(entry.task, entry.outcome, entry.reason, at, nowMs);
      case 'job.settled':
        for (const { id } of this.#books.tasks.jobs.get(entry.job)?.tasks ?? []) this.#books.trust.forget(id);
        this.#books.blame.forget(entry.job);
        this.#books.tasks.settle(entry);
        this.#books.speech.forget(entry.job);
        for (const state of ['succeeded', 'failed', 'cancelled', 'expired'] as const)
          this.outcomes[state] += entry[state];
        return;
      case 'upload.held':
        return this.#hold(entry, rules);
      case 'upload.resumed':
        return this.#books.holds.resume(this.#books.tasks.get(entry.task), entry.attempt, at, nowMs);
      case 'attempt.assigned':
        this.#books.holds.checkAssigned(entry.task);
        this.#checkAssigned(entry.task, entry.attempt, entry.node, at);
        this.#books.preemptions.assigned(entry);
        return this.#books.tasks.assign(entry, nowMs);
      case 'attempt.progressed':
        this.#books.tasks.progress(entry.task, entry.attempt, entry.stage, at, nowMs).wordAt = at;
        if (entry.stage === 'running') this.#books.runs.noted(entry.task, entry.attempt, nowMs);
        return;
      case 'attempt.ended':
        return this.#end(entry, rules, nowMs);
      case 'attempt.released':
        this.#books.stops.released(entry.node, entry.task, entry.attempt);
        this.#books.preemptions.released(entry.node, entry.task, entry.attempt);
        this.#letGo(entry.node, entry.task, entry.attempt, at);
        return this.#books.tasks.release(entry.task, entry.attempt, entry.node, entry.at);
      case 'subject.isolated':
        // No honest world breaks the books: whatever led there is a find.
        return fail('log.isolated', `the books broke over ${entry.subject} in ${entry.cause}`);
      case 'subject.reinstated':
        return fail('log.isolated', `${entry.subject} is reinstated, and only an operator does that`);
      default:
        fail('log.shape', `an entry of no known type: ${JSON.stringify(entry)}`);
    }
  }

  #forget(entry: NodeForgotten, rules: Ruleset): void {
    const { blame, nodes, poison, preemptions } = this.#books;
    nodes.remove(checkForgotten(entry, nodes, rules));
    blame.forgetNode(entry.node);
    poison.forgetNode(entry.node);
    preemptions.forget(entry.node);
  }

  /** What of it is under way is ended without its nodes. */
  #expectStops(job: JobFacts | undefined): void {
    for (const { id } of job?.tasks ?? []) this.#expectStop(id);
  }

  #expectStop(task: string): void {
    const { id, attempt, nodes, state } = this.#books.tasks.get(task);
    if (isActive(state)) this.#books.stops.ended(nodes.at(-1) ?? '', id, attempt, this.#books.nowMs);
  }

  #stop(entry: ImagePoisoned, rules: Ruleset, nowMs: number): void {
    this.#books.poison.stop(entry, rules);
    this.#books.blame.clear(entry.image);
    for (const job of this.#books.tasks.jobs.values())
      if (imageOf(job) === entry.image) job.stoppedMs = nowMs;
  }

  #checkAssigned(task: string, attempt: number, node: string, at: number): void {
    const what = `${task}/${attempt}`;
    const { job } = this.#books.tasks.get(task);
    const { provider } = this.#books.nodes.get(node);
    check(this.#books.money.has(provider), 'log.shape', () => `${what} on ${node}: no account ${provider}`);
    this.#books.blame.checkAssigned(what, node, at, this.ruleset());
    check(
      job.stoppedMs === undefined,
      'image.stopped',
      () => `${what} is assigned, and its image is stopped`,
    );
  }

  /** What it had of its node but the disk is free, its devices among it. */
  #hold(entry: UploadHeld, { maxUploadHolds }: Ruleset): void {
    const task = this.#books.tasks.get(entry.task);
    const on = task.nodes.at(-1) ?? '';
    if (task.heldAt === 0) {
      this.#letGo(on, entry.task, entry.attempt, entry.at);
      this.#books.nodes.keepDisk(on, entry.task, entry.attempt);
    }
    this.#books.holds.hold(entry, task, this.#books.nowMs, maxUploadHolds);
  }

  #letGo(node: string, task: string, attempt: number, at: number): void {
    const facts = this.#books.tasks.live.get(task);
    const devices = this.#books.nodes.get(node).holds.get(task)?.devices ?? [];
    if (facts !== undefined) this.#books.poison.letGo(node, devices, facts, attempt, at);
  }

  #end(entry: AttemptEnded, rules: Ruleset, nowMs: number): void {
    const ending = this.#books.tasks.get(entry.task);
    const on = ending.nodes.at(-1) ?? '';
    const image = imageOf(ending.job);
    this.#books.blame.ended(entry, ending, on, image, this.#books.poison.isStopped(image, entry.at));
    this.#books.preemptions.ended(entry, ending, rules);
    if (entry.released) this.#letGo(on, entry.task, entry.attempt, entry.at);
    const { task, kind } = this.#books.tasks.endAttempt(entry, rules, nowMs);
    if (entry.then.kind === 'succeeded' && entry.then.payNano !== '0')
      this.#books.nodes.get(on).isPaid = true;
    const key = `${task.id}/${entry.attempt}`;
    if (kind === 'receipt') {
      const node = task.nodes.at(-1) ?? '';
      const wasUploaded = (sha256: string, sizeBytes: number): boolean =>
        this.#books.uploads.has(`${key} ${sha256} ${sizeBytes}`);
      checkReceipt(entry, task, node, {
        heard: this.#books.speech.receiptsFor(task.id, entry.attempt),
        nonce: this.#books.speech.nonceOf(task.id, entry.attempt),
        asked: this.#books.speech.askedOf(task.id),
        heldFor: task.heldFor?.cause,
        wasUploaded,
      });
      const truth = this.#books.ran.get(`${key}/${node}`);
      const isFalse = entry.then.kind === 'succeeded' && truth === false;
      check(!isFalse, 'money.paid-unearned', () => `${key} is paid and its program failed`);
    }
    if (kind === 'clock') {
      this.#books.limbo.checkPatience(key, rules, nowMs);
      this.#books.stops.ended(task.nodes.at(-1) ?? '', task.id, entry.attempt, nowMs);
    }
    if (kind === 'gang' || kind === 'preempted')
      this.#books.stops.ended(task.nodes.at(-1) ?? '', task.id, entry.attempt, nowMs);
    if (kind === 'forgotten') {
      check(
        this.#books.speech.mayHaveForgotten(task.nodes.at(-1) ?? '', task.id, entry.attempt, task.assignedMs),
        'task.state',
        () => `${key} is given up, and its node says that it holds it`,
      );
      this.#books.trust.forgotten(task.nodes.at(-1) ?? '', task.id, entry.attempt);
    }
    this.#books.ran.delete(`${key}/${task.nodes.at(-1) ?? ''}`);
  }
}
