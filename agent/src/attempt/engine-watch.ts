import type { Logger } from 'pino';
import { EngineUnavailable, type ObservedAttempt, type Runtime } from '../core/ports.ts';

interface EngineWatchParts {
  readonly runtime: Pick<Runtime, 'observe'>;
  readonly log: Logger;
  /** It can be reached now, or no longer. */
  readonly notifySession: () => void;
}

/** What the engine shows of this agent's attempts, and whether it can be reached. */
export class EngineWatch {
  readonly #parts: EngineWatchParts;
  /** Undefined until it was asked: an agent that has just started again must not refuse what it is sent meanwhile. */
  #isReachable: boolean | undefined;
  #observed: readonly ObservedAttempt[] | undefined;

  constructor(parts: EngineWatchParts) {
    this.#parts = parts;
  }

  get isReachable(): boolean | undefined {
    return this.#isReachable;
  }

  /** What was listed since the last call; undefined where nothing was. */
  takeObserved(): readonly ObservedAttempt[] | undefined {
    const observed = this.#observed;
    this.#observed = undefined;
    return observed;
  }

  async look(signal: AbortSignal): Promise<boolean> {
    const { log, notifySession, runtime } = this.#parts;
    const wasReachable = this.#isReachable;
    try {
      this.#observed = await runtime.observe(signal);
      this.#isReachable = true;
      if (!wasReachable) log.info('the container engine answers');
    } catch (error) {
      this.#isReachable = false;
      if (!signal.aborted && !(error instanceof EngineUnavailable && wasReachable === false)) {
        log.error({ err: error }, 'the container engine cannot be reached');
      }
    }
    if (wasReachable !== this.#isReachable) notifySession();
    return this.#isReachable;
  }
}
