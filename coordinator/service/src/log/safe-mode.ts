import type { Logger } from 'pino';
import type { CommandSequencer } from './command-sequencer.ts';
import { FatalEnds } from './fatal-ends.ts';

const watchMs = 1000;

/**
 * What a start does about the fatal ends before it. What they were about is isolated, by an event; after several of them within
 * some minutes nothing is placed for a while. Reads, heartbeats and receipts go on.
 */
export class SafeMode {
  readonly #ends: FatalEnds;
  readonly #sequencer: CommandSequencer;
  readonly #logger: Logger;

  constructor(dataDir: string, sequencer: CommandSequencer, logger: Logger) {
    this.#ends = new FatalEnds(dataDir);
    this.#sequencer = sequencer;
    this.#logger = logger;
  }

  /** Before anything else is decided: a tick could end the process again. */
  async begin(now: number): Promise<void> {
    const { notes, state } = this.#sequencer;
    const isSafeMode = this.#ends.isSafeMode(now);
    // Nothing is placed between two of them, either.
    notes.isPaused = true;
    if (isSafeMode)
      this.#logger.error(
        { fatalEnds: this.#ends.path },
        'safe mode: the process failed several times in a row, so nothing is placed for now',
      );
    for (const { reason, suspicion } of this.#ends.read()) {
      if (suspicion === undefined || state.origin === '') continue;
      const { subject } = suspicion;
      this.#logger.error({ subject, reason }, 'isolated: the process ended over it');
      await this.#sequencer.submit({ type: 'subject.isolate', at: now, ...suspicion });
    }
    this.#ends.settle();
    notes.isPaused = isSafeMode;
  }

  /** Ends the safe mode when its time is over. */
  watch(now: () => number): () => void {
    const { notes } = this.#sequencer;
    const timer = setInterval(() => {
      if (!notes.isPaused || this.#ends.isSafeMode(now())) return;
      notes.isPaused = false;
      notes.stir();
      this.#logger.warn('safe mode is over: tasks are placed again');
    }, watchMs);
    timer.unref();
    return () => {
      clearInterval(timer);
    };
  }
}
