import { Books } from './books.ts';
import { checkSaved } from './checkpoint-rules.ts';
import { parseEntry, parseFrame } from './entry.ts';
import { LineHashes } from './line-hashes.ts';
import { LogReader } from './log-reader.ts';
import type { AuditTerms, Observation } from './observation.ts';
import { check, fail } from './observation.ts';
import { compareTables } from './table-rules.ts';
import { isEnd } from './task-facts.ts';

const sweepMs = 1000;

/**
 * A second bookkeeping, of the log's entries, of what is said and heard, and of what containers really do. It shares no
 * code with what it watches and throws an AuditFailure at the first thing that cannot be.
 */
export class Auditor {
  readonly #terms: AuditTerms;
  readonly #lines = new LineHashes();
  readonly #books: Books;
  readonly #log: LogReader;
  #sweptMs = 0;
  #observed = 0;

  constructor(terms: AuditTerms) {
    this.#terms = terms;
    this.#books = new Books(terms);
    this.#log = new LogReader(this.#books);
  }

  observe(seen: Observation): void {
    this.#observed += 1;
    switch (seen.kind) {
      case 'time':
        return this.#pass(seen.atMs);
      case 'committed':
        this.#lines.append(seen.first, seen.lines);
        for (const line of seen.lines) this.#log.take(parseEntry(line));
        return this.#books.tasks.gangs.checkWhole();
      case 'log':
        return this.#lines.compare(seen.first, seen.lines);
      case 'said':
        if (seen.to === 'client') this.#books.clients.tell(seen.frame, this.#lines.size);
        else this.#say(seen);
        return;
      case 'heard':
        return this.#hear(seen);
      case 'uploaded':
        this.#books.uploads.add(`${seen.task}/${seen.attempt} ${seen.sha256} ${seen.sizeBytes}`);
        return;
      case 'container':
        this.#books.runs.observe(seen);
        if (seen.change === 'started') this.#books.trust.start(seen.task, seen.attempt, seen.node);
        return;
      case 'lease':
        return this.#books.runs.lease(seen, this.#books.nowMs);
      case 'hands':
        return this.#books.runs.hands(seen, this.#books.nowMs);
      case 'ran':
        this.#noteRun(seen);
        return this.#books.trust.ran(seen.task, seen.attempt, seen.node, seen.succeeded);
      case 'complaint':
        return this.#books.runs.complain(seen, this.#books.nowMs);
      case 'distrust':
        return this.#books.trust.distrust(seen.node);
      case 'stopped':
        this.#books.preemptions.forget();
        this.#books.stops.stop();
        return this.#books.limbo.stop();
      case 'stalled':
        return this.#books.limbo.stall(seen.fromMs, seen.untilMs);
      case 'restarted':
        this.#books.limbo.start(this.#books.nowMs);
        this.#lines.checkSize(seen.size);
        this.#lines.checkDigest(seen.size, seen.stateHash);
        if (seen.tables !== undefined) compareTables(seen.tables, this.#books.money, this.#books.tasks);
        return;
      case 'digest':
        return this.#lines.checkDigest(seen.size, seen.stateHash);
      case 'tables':
        return compareTables(seen.tables, this.#books.money, this.#books.tasks);
      case 'pauses':
        return this.#books.blame.compare(seen.pauses, this.#log.ruleset());
      case 'store':
        return this.#books.holds.store(seen.isShort, this.#books.nowMs);
      case 'healed':
        return this.#pass(seen.atMs);
    }
  }

  /** Of two machines with one key, or of one that forgot the first time, either may have succeeded. */
  #noteRun({ task, attempt, node, succeeded }: Extract<Observation, { kind: 'ran' }>): void {
    const key = `${task}/${attempt}/${node}`;
    this.#books.ran.set(key, succeeded || this.#books.ran.get(key) === true);
  }

  /** By what is committed. */
  get hasOpenJobs(): boolean {
    return this.#books.tasks.jobs.size > 0;
  }

  /** After all has healed and had its time: nothing may be left open. */
  finish(): void {
    for (const [id, { state }] of this.#books.tasks.live)
      check(isEnd(state), 'settled.tasks', () => `${id} is still ${state}`);
    for (const id of this.#books.tasks.jobs.keys()) fail('settled.tasks', `${id} is not settled`);
    for (const { id, holds } of this.#books.nodes.all.values())
      check(holds.size === 0, 'settled.tasks', () => `${id} still holds ${[...holds.keys()].join()}`);
    const open = this.#books.money.openHolds;
    check(open === 0, 'settled.holds', () => `${open} holds are open`);
    this.#books.runs.checkNoneLeft();
    if (this.#terms.clientsPersist) this.#books.clients.checkClaims();
  }

  summary(): Record<string, number> {
    return {
      observations: this.#observed,
      entries: this.#lines.size,
      jobs: this.#books.tasks.consumers.size,
      pays: this.#books.money.paid.size,
      ...this.#log.outcomes,
    };
  }

  #say({ node, session, frame }: Extract<Observation, { kind: 'said'; to: 'agent' }>): void {
    const parsed = parseFrame(frame);
    this.#books.speech.say(node, session, parsed, this.#log.ruleset().leaseMs, this.#books.nowMs);
    this.#books.stops.say(node, session, parsed);
    checkSaved(this.#books, parsed);
  }

  #hear({ node, session, frame, genuine = true }: Extract<Observation, { kind: 'heard' }>): void {
    const parsed = parseFrame(frame);
    this.#books.speech.hear(node, session, parsed, genuine, this.#books.nowMs);
    this.#books.stops.hear(node, session, parsed, this.#books.nowMs);
    this.#books.trust.hear(node, parsed, genuine);
  }

  #pass(atMs: number): void {
    this.#books.nowMs = atMs;
    if (atMs - this.#sweptMs < sweepMs) return;
    this.#sweptMs = atMs;
    if (!this.#log.hasBegun) return;
    const rules = this.#log.ruleset();
    this.#books.runs.sweep(rules.leaseMs, atMs);
    this.#books.limbo.sweep(rules, atMs);
  }
}
