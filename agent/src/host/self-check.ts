import { setTimeout as sleep } from 'node:timers/promises';
import { waitAtMost } from '@capacloud/waiting/at-most';
import type { Logger } from 'pino';
import type { Finding } from './checks/finding.ts';

/** Between rounds while all is well, and while something is red: what is mended is to be noticed soon. */
export interface SelfCheckPauses {
  readonly wellMs: number;
  readonly redMs: number;
}
const defaultPauses: SelfCheckPauses = { wellMs: 60_000, redMs: 5000 };

interface SelfCheckParts {
  readonly examine: (signal: AbortSignal) => Promise<readonly Finding[]>;
  readonly log: Pick<Logger, 'info' | 'warn' | 'error'>;
  /** New work is wanted, or wanted no longer. */
  readonly onChange: () => void;
  readonly pauses?: SelfCheckPauses;
}

/**
 * The doctor's checks while the agent runs. Until the first round is done, and while one is red, no new work is taken; what
 * runs goes on, for a check may be wrong about it.
 */
export class SelfCheck {
  readonly #parts: SelfCheckParts;
  readonly #first = Promise.withResolvers<void>();
  #findings: readonly Finding[] | undefined;

  constructor(parts: SelfCheckParts) {
    this.#parts = parts;
  }

  /** Undefined until the first round is done. */
  get findings(): readonly Finding[] | undefined {
    return this.#findings;
  }

  /** Resolves when the first round is done, and after that time at the latest. */
  async firstRound(withinMs: number): Promise<void> {
    await waitAtMost(withinMs, this.#first.promise);
  }

  get isWell(): boolean {
    return this.#findings?.every(({ ok }) => ok) === true;
  }

  /** Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { examine, pauses = defaultPauses } = this.#parts;
    while (!signal.aborted) {
      const findings = await examine(signal);
      if (signal.aborted) return;
      this.#take(findings);
      await sleep(this.isWell ? pauses.wellMs : pauses.redMs, undefined, { signal }).catch(() => {});
    }
  }

  #take(findings: readonly Finding[]): void {
    const { log, onChange } = this.#parts;
    const before = new Map((this.#findings ?? []).map((found) => [found.id, found]));
    const wasWell = this.isWell;
    const isFirst = this.#findings === undefined;
    this.#findings = findings;
    for (const { id, ok, is, mend } of findings) {
      if (ok === (before.get(id)?.ok ?? true)) continue;
      if (ok) log.info({ check: id, is }, 'a check is green again');
      else log.error({ check: id, is, mend }, 'a check is red: no new work is taken until it is mended');
    }
    this.#first.resolve();
    if (isFirst || wasWell !== this.isWell) onChange();
  }
}
