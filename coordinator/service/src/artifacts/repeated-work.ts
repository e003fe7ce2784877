/** Work that is done again and again, one after the other; one that takes longer than its interval leaves out a turn. */
export class RepeatedWork {
  readonly #timer: NodeJS.Timeout;
  #running: Promise<void> | undefined;

  constructor(everyMs: number, work: () => Promise<void>, onFailure: (error: unknown) => void) {
    this.#timer = setInterval(() => {
      this.#running ??= work()
        .catch(onFailure)
        .finally(() => {
          this.#running = undefined;
        });
    }, everyMs);
    this.#timer.unref();
  }

  /** Resolves when what is going on is done. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#running;
  }
}
