import { BlameBook } from './blame-book.ts';
import { ClientBook } from './client-book.ts';
import {
  type AttemptEnded,
  type Entry,
  type ImagePoisoned,
  parseEntry,
  parseFrame,
  type RulesEntry,
  type Ruleset,
} from './entry.ts';
import { LimboWatch } from './limbo-watch.ts';
import { LineHashes } from './line-hashes.ts';
import { MoneyBook } from './money-book.ts';
import { NodeBook } from './node-book.ts';
import type { AuditTerms, Observation } from './observation.ts';
import { check, fail } from './observation.ts';
import { imageOf, PoisonBook } from './poison-book.ts';
import { PreemptionWatch } from './preemption-watch.ts';
import { checkReceipt } from './receipt-rules.ts';
import { RunBook } from './run-book.ts';
import { SpeechBook } from './speech-book.ts';
import { StopWatch } from './stop-watch.ts';
import { compareTables } from './table-rules.ts';
import { TaskBook } from './task-book.ts';
import { isActive, isEnd, type JobFacts } from './task-facts.ts';
import { TrustBook } from './trust-book.ts';

const sweepMs = 1000;

/**
 * A second bookkeeping, of the log's entries, of what is said and heard, and of what containers really do. It shares no
 * code with what it watches and throws an AuditFailure at the first thing that cannot be.
 */
export class Auditor {
  readonly #terms: AuditTerms;
  readonly #lines = new LineHashes();
  readonly #money = new MoneyBook();
  readonly #nodes = new NodeBook();
  readonly #tasks: TaskBook;
  readonly #speech: SpeechBook;
  readonly #clients: ClientBook;
  readonly #runs: RunBook;
  readonly #limbo: LimboWatch;
  readonly #stops = new StopWatch();
  readonly #trust = new TrustBook();
  readonly #blame = new BlameBook();
  readonly #poison = new PoisonBook();
  readonly #preemptions: PreemptionWatch;
  readonly #uploads = new Set<string>();
  /** Attempts whose program is known to have failed, and those known to have succeeded. */
  readonly #ran = new Map<string, boolean>();
  readonly #outcomes = { succeeded: 0, failed: 0, cancelled: 0, expired: 0 };
  #rules: Ruleset | undefined;
  #lastAt = 0;
  #nowMs = 0;
  #sweptMs = 0;
  #observed = 0;

  constructor(terms: AuditTerms) {
    this.#terms = terms;
    this.#tasks = new TaskBook(this.#money, this.#nodes);
    this.#preemptions = new PreemptionWatch(this.#tasks, this.#nodes);
    this.#speech = new SpeechBook(this.#tasks, this.#nodes);
    this.#clients = new ClientBook(this.#tasks);
    this.#runs = new RunBook(this.#tasks, this.#nodes, this.#trust, terms);
    this.#limbo = new LimboWatch(this.#tasks, this.#nodes, terms);
  }

  observe(seen: Observation): void {
    this.#observed += 1;
    switch (seen.kind) {
      case 'time':
        return this.#pass(seen.atMs);
      case 'committed':
        this.#lines.append(seen.first, seen.lines);
        for (const line of seen.lines) this.#take(parseEntry(line));
        return this.#tasks.gangs.checkWhole();
      case 'log':
        return this.#lines.compare(seen.first, seen.lines);
      case 'said':
        if (seen.to === 'client') this.#clients.tell(seen.frame, this.#lines.size);
        else this.#say(seen);
        return;
      case 'heard':
        return this.#hear(seen);
      case 'uploaded':
        this.#uploads.add(`${seen.provider} ${seen.sha256} ${seen.sizeBytes}`);
        return;
      case 'container':
        this.#runs.observe(seen);
        if (seen.change === 'started') this.#trust.start(seen.task, seen.attempt, seen.node);
        return;
      case 'lease':
        return this.#runs.lease(seen, this.#nowMs);
      case 'hands':
        return this.#runs.hands(seen, this.#nowMs);
      case 'ran':
        this.#noteRun(seen);
        return this.#trust.ran(seen.task, seen.attempt, seen.node, seen.succeeded);
      case 'complaint':
        return this.#runs.complain(seen, this.#nowMs);
      case 'distrust':
        return this.#trust.distrust(seen.node);
      case 'stopped':
        this.#preemptions.forget();
        this.#stops.stop();
        return this.#limbo.stop();
      case 'stalled':
        return this.#limbo.stall(seen.fromMs, seen.untilMs);
      case 'restarted':
        this.#limbo.start(this.#nowMs);
        this.#lines.checkSize(seen.size);
        this.#lines.checkDigest(seen.size, seen.stateHash);
        if (seen.tables !== undefined) compareTables(seen.tables, this.#money, this.#tasks);
        return;
      case 'digest':
        return this.#lines.checkDigest(seen.size, seen.stateHash);
      case 'tables':
        return compareTables(seen.tables, this.#money, this.#tasks);
      case 'pauses':
        return this.#blame.compare(seen.pauses, this.#ruleset());
      case 'healed':
        return this.#pass(seen.atMs);
    }
  }

  /** Of two machines with one key, or of one that forgot the first time, either may have succeeded. */
  #noteRun({ task, attempt, node, succeeded }: Extract<Observation, { kind: 'ran' }>): void {
    const key = `${task}/${attempt}/${node}`;
    this.#ran.set(key, succeeded || this.#ran.get(key) === true);
  }

  /** After all has healed and had its time: nothing may be left open. */
  finish(): void {
    for (const [id, { state }] of this.#tasks.live)
      check(isEnd(state), 'settled.tasks', () => `${id} is still ${state}`);
    for (const id of this.#tasks.jobs.keys()) fail('settled.tasks', `${id} is not settled`);
    for (const { id, holds } of this.#nodes.all.values())
      check(holds.size === 0, 'settled.tasks', () => `${id} still holds ${[...holds.keys()].join()}`);
    const open = this.#money.openHolds;
    check(open === 0, 'settled.holds', () => `${open} holds are open`);
    this.#runs.checkNoneLeft();
    if (this.#terms.clientsPersist) this.#clients.checkClaims();
  }

  summary(): Record<string, number> {
    return {
      observations: this.#observed,
      entries: this.#lines.size,
      jobs: this.#tasks.consumers.size,
      pays: this.#money.paid.size,
      ...this.#outcomes,
    };
  }

  #say({ node, session, frame }: Extract<Observation, { kind: 'said'; to: 'agent' }>): void {
    const parsed = parseFrame(frame);
    this.#speech.say(node, session, parsed, this.#ruleset().leaseMs, this.#nowMs);
    this.#stops.say(node, session, parsed);
  }

  #hear({ node, session, frame, genuine = true }: Extract<Observation, { kind: 'heard' }>): void {
    const parsed = parseFrame(frame);
    this.#speech.hear(node, session, parsed, genuine, this.#nowMs);
    this.#stops.hear(node, session, parsed, this.#nowMs);
    this.#trust.hear(node, parsed, genuine);
  }

  #pass(atMs: number): void {
    this.#nowMs = atMs;
    if (atMs - this.#sweptMs < sweepMs) return;
    this.#sweptMs = atMs;
    if (this.#rules === undefined) return;
    this.#runs.sweep(this.#rules.leaseMs, atMs);
    this.#limbo.sweep(this.#rules, atMs);
  }

  #ruleset(): Ruleset {
    return this.#rules ?? fail('log.shape', 'the log does not begin with its opening');
  }

  #take(entry: Entry): void {
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
    this.#book(entry, this.#ruleset());
  }

  #book(entry: Exclude<Entry, RulesEntry>, rules: Ruleset): void {
    const { at } = entry;
    const nowMs = this.#nowMs;
    if (entry.type !== 'image.poisoned') this.#poison.checkNoneDue();
    switch (entry.type) {
      case 'account.opened':
        return this.#money.open(entry.account);
      case 'account.credited':
        return this.#money.grant(entry.account, BigInt(entry.amountNano), entry.ref);
      case 'node.joined':
        return this.#nodes.join(entry.node, entry.provider, at, nowMs);
      case 'node.offered':
        check(
          this.#money.has(entry.provider),
          'log.shape',
          () => `${entry.node}: no account ${entry.provider}`,
        );
        this.#poison.offer(
          this.#nodes.get(entry.node),
          entry.offer,
          at,
          entry.provider,
          rules,
          this.#tasks.live,
        );
        this.#preemptions.forget(entry.node);
        return this.#nodes.offer(entry.node, entry.provider, entry.offer, entry.accepting, at);
      case 'node.status_changed':
        this.#preemptions.forget(entry.node);
        return this.#nodes.changeStatus(entry, rules, nowMs);
      case 'job.submitted':
        this.#poison.checkWelcome(entry.job, imageOf({ terms: entry }), at);
        return this.#tasks.submit(entry, at, rules, nowMs);
      case 'job.cancelled':
        this.#expectStops(this.#tasks.jobs.get(entry.job));
        return this.#tasks.cancel(entry.job, nowMs);
      case 'image.poisoned':
        return this.#stop(entry, rules, nowMs);
      case 'task.ended':
        if (entry.outcome === 'cancelled') this.#expectStop(entry.task);
        return this.#tasks.endWithoutAttempt(entry.task, entry.outcome, entry.reason, at, nowMs);
      case 'job.settled':
        for (const { id } of this.#tasks.jobs.get(entry.job)?.tasks ?? []) this.#trust.forget(id);
        this.#blame.forget(entry.job);
        this.#tasks.settle(entry);
        this.#speech.forget(entry.job);
        for (const state of ['succeeded', 'failed', 'cancelled', 'expired'] as const)
          this.#outcomes[state] += entry[state];
        return;
      case 'attempt.assigned':
        this.#checkAssigned(entry.task, entry.attempt, entry.node, at);
        this.#preemptions.assigned(entry);
        return this.#tasks.assign(entry, nowMs);
      case 'attempt.progressed':
        this.#tasks.progress(entry.task, entry.attempt, entry.stage, at, nowMs).wordAt = at;
        if (entry.stage === 'running') this.#runs.noted(entry.task, entry.attempt, nowMs);
        return;
      case 'attempt.ended':
        return this.#end(entry, rules, nowMs);
      case 'attempt.released':
        this.#stops.released(entry.node, entry.task, entry.attempt);
        this.#preemptions.released(entry.node, entry.task, entry.attempt);
        this.#letGo(entry.node, entry.task, entry.attempt, at);
        return this.#tasks.release(entry.task, entry.attempt, entry.node);
      default:
        fail('log.shape', `an entry of no known type: ${JSON.stringify(entry)}`);
    }
  }

  /** What of it is under way is ended without its nodes. */
  #expectStops(job: JobFacts | undefined): void {
    for (const { id } of job?.tasks ?? []) this.#expectStop(id);
  }

  #expectStop(task: string): void {
    const { id, attempt, nodes, state } = this.#tasks.get(task);
    if (isActive(state)) this.#stops.ended(nodes.at(-1) ?? '', id, attempt, this.#nowMs);
  }

  #stop(entry: ImagePoisoned, rules: Ruleset, nowMs: number): void {
    this.#poison.stop(entry, rules);
    this.#blame.clear(entry.image);
    for (const job of this.#tasks.jobs.values()) if (imageOf(job) === entry.image) job.stoppedMs = nowMs;
  }

  #checkAssigned(task: string, attempt: number, node: string, at: number): void {
    const what = `${task}/${attempt}`;
    const { job } = this.#tasks.get(task);
    this.#blame.checkAssigned(what, node, at, this.#ruleset());
    check(
      job.stoppedMs === undefined,
      'image.stopped',
      () => `${what} is assigned, and its image is stopped`,
    );
  }

  #letGo(node: string, task: string, attempt: number, at: number): void {
    const facts = this.#tasks.live.get(task);
    const devices = this.#nodes.get(node).holds.get(task)?.devices ?? [];
    if (facts !== undefined) this.#poison.letGo(node, devices, facts, attempt, at);
  }

  #end(entry: AttemptEnded, rules: Ruleset, nowMs: number): void {
    const ending = this.#tasks.get(entry.task);
    const on = ending.nodes.at(-1) ?? '';
    const image = imageOf(ending.job);
    this.#blame.ended(entry, ending, on, image, this.#poison.isStopped(image, entry.at));
    this.#preemptions.ended(entry, ending, rules);
    if (entry.released) this.#letGo(on, entry.task, entry.attempt, entry.at);
    const { task, kind } = this.#tasks.endAttempt(entry, rules, nowMs);
    const key = `${task.id}/${entry.attempt}`;
    if (kind === 'receipt') {
      const node = task.nodes.at(-1) ?? '';
      const wasUploaded = (sha256: string, sizeBytes: number): boolean =>
        this.#uploads.has(`${task.provider} ${sha256} ${sizeBytes}`);
      checkReceipt(entry, task, node, {
        heard: this.#speech.receiptsFor(task.id, entry.attempt),
        nonce: this.#speech.nonceOf(task.id, entry.attempt),
        wasUploaded,
      });
      const truth = this.#ran.get(`${key}/${node}`);
      const isFalse = entry.then.kind === 'succeeded' && truth === false;
      check(!isFalse, 'money.paid-unearned', () => `${key} is paid and its program failed`);
    }
    if (kind === 'clock') {
      this.#limbo.checkPatience(key, rules, nowMs);
      this.#stops.ended(task.nodes.at(-1) ?? '', task.id, entry.attempt, nowMs);
    }
    if (kind === 'gang' || kind === 'preempted')
      this.#stops.ended(task.nodes.at(-1) ?? '', task.id, entry.attempt, nowMs);
    if (kind === 'forgotten') {
      check(
        this.#speech.mayHaveForgotten(task.nodes.at(-1) ?? '', task.id, entry.attempt, task.assignedMs),
        'task.state',
        () => `${key} is given up, and its node says that it holds it`,
      );
      this.#trust.forgotten(task.nodes.at(-1) ?? '', task.id, entry.attempt);
    }
    this.#ran.delete(`${key}/${task.nodes.at(-1) ?? ''}`);
  }
}
