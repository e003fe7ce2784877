import type { Refusal } from '@capacloud/protocol/result';
import type { FastifyBaseLogger } from 'fastify';

/** A store that goes on refusing is said once in so long. */
const repeatMs = 10 * 60_000;
/** No refusal for so long: it has room again. */
const calmMs = 2 * 60_000;

/** Tells the operator when the store takes nothing, in the log and to who asks for the health of the coordinator. */
export class StoreAlarm {
  readonly #logger: Pick<FastifyBaseLogger, 'error'>;
  readonly #now: () => number;
  #raisedAt = Number.NEGATIVE_INFINITY;
  #saidAt = Number.NEGATIVE_INFINITY;
  #state: 'full' | 'failing' = 'full';

  constructor(logger: Pick<FastifyBaseLogger, 'error'>, now: () => number) {
    this.#logger = logger;
    this.#now = now;
  }

  /** The store has just refused something. */
  raise({ code, message }: Refusal): void {
    const now = this.#now();
    this.#raisedAt = now;
    this.#state = code === 'artifact.store_failed' ? 'failing' : 'full';
    if (now - this.#saidAt < repeatMs) return;
    this.#saidAt = now;
    this.#logger.error(
      { code, detail: message },
      'the artifact store takes nothing: finished outputs wait on their nodes; make room on the disk or raise artifacts.total',
    );
  }

  /** What it refused lately; undefined where it refused nothing. */
  get state(): 'full' | 'failing' | undefined {
    return this.#now() - this.#raisedAt < calmMs ? this.#state : undefined;
  }
}
