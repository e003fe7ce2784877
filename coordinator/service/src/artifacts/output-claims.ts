import { readFile, rename, writeFile } from 'node:fs/promises';
import type { Event, EventOf } from '@capacloud/core/contract/event';
import { taskReasons } from '@capacloud/protocol/catalogue/reasons';
import { jobIdOf } from '@capacloud/protocol/ids';
import type { SignedReceipt } from '@capacloud/protocol/wire/receipt';
import { faultOfNamed } from '../declared-outputs.ts';
import type { JobSpecs } from '../job-specs.ts';
import { type ArtifactIndex, haveBrought } from '../ports/artifact-index.ts';
import type { LogPort } from '../ports/log.ts';
import type { ReadStore } from '../ports/read-store.ts';
import type { CommittedEvent } from '../ports/sequencer.ts';

const batchEntries = 1000;
/** Successes kept in memory until they are claimed. */
const maxHeard = 10_000;
/** The cursor is written once in so many events: after a crash at most these are looked at again. */
const cursorStep = 10_000;

/**
 * Gives the consumer of a task its outputs: those of a success for good, those of an attempt that failed by the job's own doing
 * until a later one brings any or the task succeeds. Follows the log with a cursor on disk, so that no claim is
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
  /** Successes that were heard of and not claimed yet, complete for the events of `#heardFrom` to `#heardTo`. */
  #heard: { readonly index: number; readonly event: EventOf<'attempt.ended'> }[] = [];
  #heardFrom = 0;
  #heardTo = 0;

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
    this.#listenFrom(this.#target);
    this.#started = true;
    await this.catchUp();
  }

  /** For the sequencer's listener. What it hears need not be read from the log again. */
  onCommitted(events: readonly CommittedEvent[]): void {
    const first = events[0];
    const last = events.at(-1);
    if (first === undefined || last === undefined) return;
    this.#target = last.index + 1;
    if (!this.#started) return;
    if (this.#next === first.index) this.#listenFrom(first.index);
    if (this.#heardTo === first.index && this.#heard.length < maxHeard) {
      for (const { index, event } of events) if (this.#mayClaim(event)) this.#heard.push({ index, event });
      this.#heardTo = this.#target;
    }
    if (this.#running === undefined && this.#heard.length === 0 && this.#next >= this.#heardFrom)
      this.#next = this.#heardTo;
    if (this.#next < this.#target) this.catchUp().catch(this.#onFailure);
  }

  #listenFrom(index: number): void {
    this.#heard = [];
    this.#heardFrom = index;
    this.#heardTo = index;
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
    if (event.type !== 'attempt.ended') return false;
    const mayHaveOutputs = event.then.kind === 'succeeded' || mayHaveLeft(event);
    return mayHaveOutputs && this.#specs.known(jobIdOf(event.task))?.outputs.length !== 0;
  }

  async #run(): Promise<void> {
    while (this.#next < this.#target) {
      if (this.#next >= this.#heardFrom && this.#next < this.#heardTo) await this.#claimHeard();
      else await this.#claimRead();
      if (this.#next - this.#written >= cursorStep) await this.#writeCursor();
    }
  }

  async #claimHeard(): Promise<void> {
    const one = this.#heard.shift();
    if (one !== undefined) await this.#claim(one.event);
    this.#next = one === undefined ? this.#heardTo : one.index + 1;
  }

  /** After a start, and where more came than is kept in memory. */
  async #claimRead(): Promise<void> {
    const entries = await this.#log.read(this.#next, batchEntries);
    if (entries.length === 0) throw new Error(`the log does not give event ${this.#next}`);
    for (const { index, entry } of entries) {
      // Parsing is what costs; most entries are something else.
      if (entry.includes('"attempt.ended"')) {
        const event = JSON.parse(entry) as Event;
        if (this.#mayClaim(event)) await this.#claim(event);
      }
      this.#next = index + 1;
      if (this.#next === this.#heardFrom && this.#heardTo > this.#heardFrom) return;
    }
  }

  async #claim(event: EventOf<'attempt.ended'>): Promise<void> {
    const job = jobIdOf(event.task);
    const spec = await this.#specs.get(job);
    if (spec === undefined || spec.outputs.length === 0) return;
    const row = await this.#store.getJob(job);
    const receipt = await this.#store.getReceipt(event.task, event.attempt);
    if (row === undefined || receipt === undefined) return;
    const named = (JSON.parse(receipt.signed) as SignedReceipt).receipt;
    const { outputs, reason } = named;
    if (event.then.kind === 'succeeded') {
      for (const { sha256 } of outputs) await this.#index.addRef({ sha256, account: row.account, job });
      if (event.attempt > 1) await this.#index.dropLeft(event.task);
      return;
    }
    if (outputs.length === 0 || reason !== event.reason) return;
    // Nobody judged them: what a receipt names may be the file of somebody else, or nothing that the job asked for.
    if (faultOfNamed(named, spec.outputs) !== undefined) return;
    if (!(await haveBrought(this.#index, event, outputs))) return;
    const sha256s = [...new Set(outputs.map(({ sha256 }) => sha256))];
    await this.#index.keepLeft({ task: event.task, attempt: event.attempt, sha256s }, row.account);
  }

  async #writeCursor(): Promise<void> {
    const next = this.#next;
    await writeFile(`${this.#path}.new`, `${next}\n`, { mode: 0o600 });
    await rename(`${this.#path}.new`, this.#path);
    this.#written = next;
  }
}

/** The attempt failed by the job's own doing, and its node had a word: then it may have brought outputs all the same. */
function mayHaveLeft({ reason, receipt }: EventOf<'attempt.ended'>): boolean {
  return receipt !== undefined && taskReasons[reason].fault === 'consumer';
}
