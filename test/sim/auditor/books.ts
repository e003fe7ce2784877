import { BlameBook } from './blame-book.ts';
import { ClientBook } from './client-book.ts';
import { HoldBook } from './hold-book.ts';
import { LimboWatch } from './limbo-watch.ts';
import { MoneyBook } from './money-book.ts';
import { NodeBook } from './node-book.ts';
import type { AuditTerms } from './observation.ts';
import { PoisonBook } from './poison-book.ts';
import { PreemptionWatch } from './preemption-watch.ts';
import { RunBook } from './run-book.ts';
import { SpeechBook } from './speech-book.ts';
import { StopWatch } from './stop-watch.ts';
import { TaskBook } from './task-book.ts';
import { TrustBook } from './trust-book.ts';

/** What is kept of a run, each matter in a book of its own. */
export class Books {
  readonly money = new MoneyBook();
  readonly nodes = new NodeBook();
  readonly stops = new StopWatch();
  readonly trust = new TrustBook();
  readonly blame = new BlameBook();
  readonly poison = new PoisonBook();
  readonly tasks: TaskBook;
  readonly speech: SpeechBook;
  readonly clients: ClientBook;
  readonly runs: RunBook;
  readonly limbo: LimboWatch;
  readonly preemptions: PreemptionWatch;
  readonly holds: HoldBook;
  readonly uploads = new Set<string>();
  /** Attempts whose program is known to have failed, and those known to have succeeded. */
  readonly ran = new Map<string, boolean>();
  /** True time. */
  nowMs = 0;

  constructor(terms: AuditTerms) {
    this.tasks = new TaskBook(this.money, this.nodes);
    this.holds = new HoldBook(this.tasks);
    this.preemptions = new PreemptionWatch(this.tasks, this.nodes, this.holds);
    this.speech = new SpeechBook(this.tasks, this.nodes);
    this.clients = new ClientBook(this.tasks);
    this.runs = new RunBook(this.tasks, this.nodes, this.trust, terms);
    this.limbo = new LimboWatch(this.tasks, this.nodes, terms);
  }
}
