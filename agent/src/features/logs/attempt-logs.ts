import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Receipt } from '@capacloud/protocol/wire/receipt';
import { abortable } from '@capacloud/waiting/abortable';
import type { Logger } from 'pino';
import type { Journal } from '../../core/journal-port.ts';
import { type AttemptKey, attemptKeyText } from '../../core/ports.ts';
import type { CoordinatorHttp } from '../../transfer/coordinator-http.ts';
import { sendLog } from './log-sender.ts';
import { LogSpool, removeSpool } from './log-spool.ts';

/** Between two tries to note that a log is done, while the disk takes nothing. */
const noteAgainMs = 1000;

interface Entry {
  readonly spool: LogSpool;
  readonly sent: Promise<void>;
  readonly stop: AbortController;
}

export interface AttemptLogsParts {
  /** Folder of the spools. */
  readonly dir: string;
  readonly http: CoordinatorHttp;
  readonly journal: Journal;
  readonly log: Logger;
  /** Called when the coordinator has a whole log, or wants no more of it. */
  readonly onDone: () => void;
}

/** The log spools of the attempts that are held, each with its sender. */
export class AttemptLogs {
  readonly #dir: string;
  readonly #http: CoordinatorHttp;
  readonly #journal: Journal;
  readonly #log: Logger;
  readonly #onDone: () => void;
  readonly #entries = new Map<string, Promise<Entry>>();

  constructor({ dir, http, journal, log, onDone }: AttemptLogsParts) {
    this.#dir = dir;
    this.#http = http;
    this.#journal = journal;
    this.#log = log;
    this.#onDone = onDone;
  }

  /** Opens the spool and begins to send it, once; also for what an earlier life of the agent left. */
  async open(key: AttemptKey): Promise<LogSpool> {
    const text = attemptKeyText(key);
    let entry = this.#entries.get(text);
    if (entry === undefined) {
      const begun = this.#begin(key);
      entry = begun;
      this.#entries.set(text, begun);
      // A disk that is full now takes the file later.
      begun.catch(() => {
        if (this.#entries.get(text) === begun) this.#entries.delete(text);
      });
    }
    return (await entry).spool;
  }

  /** Nothing more is written: sends what is left. */
  async finish(key: AttemptKey): Promise<LogSpool> {
    const spool = await this.open(key);
    spool.finish();
    return spool;
  }

  /** Waits until the coordinator has the whole log, at most until the signal. */
  async flushed(key: AttemptKey, signal: AbortSignal): Promise<void> {
    const entry = await this.#entries.get(attemptKeyText(key));
    if (entry === undefined) return;
    await abortable(entry.sent, signal).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
  }

  async forget(key: AttemptKey): Promise<void> {
    const text = attemptKeyText(key);
    await this.#close(text);
    await removeSpool(this.#file(text));
  }

  async close(): Promise<void> {
    await Promise.all([...this.#entries.keys()].map((text) => this.#close(text)));
  }

  async #close(text: string): Promise<void> {
    const entry = await this.#entries.get(text);
    this.#entries.delete(text);
    if (entry === undefined) return;
    entry.stop.abort();
    await entry.sent;
    await entry.spool.close();
  }

  async #begin(key: AttemptKey): Promise<Entry> {
    const spool = await LogSpool.open(this.#file(attemptKeyText(key)));
    const stop = new AbortController();
    return { spool, stop, sent: this.#send(key, spool, stop.signal) };
  }

  async #send(key: AttemptKey, spool: LogSpool, signal: AbortSignal): Promise<void> {
    let ackedBytes = 0;
    try {
      ackedBytes = await sendLog(this.#http, key, spool, signal);
    } catch (error) {
      if (signal.aborted) return;
      this.#log.warn({ err: error, attempt: attemptKeyText(key) }, 'a log could not be sent to its end');
    }
    // The rest is not wanted, or was given up, but the container may still be writing.
    while (!spool.finished && !signal.aborted) await spool.grown(spool.sizeBytes, signal).catch(() => {});
    while (!signal.aborted && !this.#noteDone(key, spool, ackedBytes))
      await sleep(noteAgainMs, undefined, { signal }).catch(() => {});
    if (!signal.aborted) this.#onDone();
  }

  /** False where the journal could not take it: without this note the attempt would be held for ever. */
  #noteDone(key: AttemptKey, spool: LogSpool, ackedBytes: number): boolean {
    const record = this.#journal.attempt(key);
    if (record === undefined) return true;
    try {
      this.#journal.save({ ...record, log: { ...extentOf(spool), ackedBytes, done: true } });
      return true;
    } catch (error) {
      this.#log.warn({ err: error, attempt: attemptKeyText(key) }, 'the end of a log could not be noted');
      return false;
    }
  }

  #file(text: string): string {
    return join(this.#dir, `${text}.log`);
  }
}

/** What a receipt says of a log. */
export function extentOf({ gap, sizeBytes, truncated }: LogSpool): Receipt['log'] {
  return { sizeBytes, truncated, ...(gap === undefined ? {} : { gap }) };
}
