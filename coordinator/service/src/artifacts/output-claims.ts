import { readFile, rename, writeFile } from 'node:fs/promises';
import type { Event, EventOf } from '@capacloud/core/event';
import { jobIdOf } from '@capacloud/protocol/ids';
import type { SignedReceipt } from '@capacloud/protocol/receipt';
import type { ArtifactIndex } from '../ports/artifact-index.ts';
import type { LogPort } from '../ports/log.ts';
import type { ReadStore } from '../ports/read-store.ts';
import type { CommittedEvent } from '../ports/sequencer.ts';
import type { JobSpecs } from './job-specs.ts';

const batchEntries = 1000;
/** The cursor is written once in so many events: after a crash at most these are looked at again. */
const cursorStep = 10_000;

/**
 * Gives the consumer of a succeeded task its outputs. Follows the log with a cursor on disk, so that no claim is
 * lost with the process; claiming twice changes nothing.
 */
export class OutputClaims {
  readonly #path: string;
  readonly #log: LogPort;
  readonly #store: ReadStore;
  readonly #index: ArtifactIndex;
  readonly #specs: JobSpecs;
  readonly #onFailure: (error: unknown) => void;
  #started = false;
  #next = 0;
  #target = 0;
  #written = 0;
  #running: Promise<void> | undefined;

  constructor(parts: {
    readonly path: string;
    readonly log: LogPort;
    readonly store: ReadStore;
    readonly index: ArtifactIndex;
    readonly specs: JobSpecs;
    readonly onFailure: (error: unknown) => void;
  }) {
    this.#path = parts.path;
    this.#log = parts.log;
    this.#store = parts.store;
    this.#index = parts.index;
    this.#specs = parts.specs;
    this.#onFailure = parts.onFailure;
  }

  /** Reads the cursor and claims what an earlier run did not. */
  async start(): Promise<void> {
    const text = await readFile(this.#path, 'utf8').catch(() => '0');
    const cursor = Number(text.trim());
    this.#next = Number.isSafeInteger(cursor) && cursor >= 0 && cursor <= this.#log.size() ? cursor : 0;
    this.#written = this.#next;
    this.#target = Math.max(this.#target, this.#log.size());
    this.#started = true;
    await this.catchUp();
  }

  /** For the sequencer's listener: cheap while no job with outputs succeeds. */
  onCommitted(events: readonly CommittedEvent[]): void {
    const first = events[0];
    const last = events.at(-1);
    if (first === undefined || last === undefined) return;
    const isNext = this.#started && this.#running === undefined && this.#next === first.index;
    this.#target = last.index + 1;
    if (isNext && !events.some(({ event }) => this.#mayClaim(event))) {
      this.#next = this.#target;
      return;
    }
    if (this.#started) this.catchUp().catch(this.#onFailure);
  }

  /** Resolves when everything committed before the call is claimed; false when there was nothing to wait for. */
  async catchUp(): Promise<boolean> {
    const target = this.#target;
    if (this.#next >= target) return false;
    while (this.#next < target) {
      this.#running ??= this.#run().finally(() => {
        this.#running = undefined;
      });
      await this.#running;
    }
    return true;
  }

  async stop(): Promise<void> {
    await this.#running;
    await this.#writeCursor();
  }

  #mayClaim(event: Event): event is EventOf<'attempt.ended'> {
    return (
      event.type === 'attempt.ended' &&
      event.then.kind === 'succeeded' &&
      this.#specs.known(jobIdOf(event.task))?.hasOutputs !== false
    );
  }

  async #run(): Promise<void> {
    while (this.#next < this.#target) {
      const entries = await this.#log.read(this.#next, batchEntries);
      if (entries.length === 0) throw new Error(`the log does not give event ${this.#next}`);
      for (const { index, entry } of entries) {
        // Parsing is what costs; most entries are something else.
        if (entry.includes('"succeeded"')) {
          const event = JSON.parse(entry) as Event;
          if (this.#mayClaim(event)) await this.#claim(event);
        }
        this.#next = index + 1;
      }
      if (this.#next - this.#written >= cursorStep) await this.#writeCursor();
    }
  }

  async #claim(event: EventOf<'attempt.ended'>): Promise<void> {
    const job = jobIdOf(event.task);
    if (!(await this.#specs.filesOf(job)).hasOutputs) return;
    const row = await this.#store.getJob(job);
    const receipt = await this.#store.getReceipt(event.task, event.attempt);
    if (row === undefined || receipt === undefined) return;
    const { outputs } = (JSON.parse(receipt.signed) as SignedReceipt).receipt;
    for (const { sha256 } of outputs) await this.#index.addRef({ sha256, account: row.account, job });
  }

  async #writeCursor(): Promise<void> {
    const next = this.#next;
    await writeFile(`${this.#path}.new`, `${next}\n`, { mode: 0o600 });
    await rename(`${this.#path}.new`, this.#path);
    this.#written = next;
  }
}
