import type { Assignment, AttemptRef } from '@capacloud/protocol/wire/frames';
import { maxHeldAttempts } from '../core/policy.ts';
import { attemptKeyText } from '../core/ports.ts';
import type { Sentence } from '../core/sentence.ts';
import { isStorageFault } from '../core/storage-fault.ts';
import { type AdmissionParts, admit } from './admission.ts';

/** Between two looks whether the disk takes writes again. */
const lookAgainMs = 2000;

interface IntakeParts extends AdmissionParts {
  /** Why no new work is taken; undefined where it is. */
  readonly closedReason: () => Sentence | undefined;
  /** No new work from now on, or work again. */
  readonly onChange: () => void;
}

/**
 * Takes assignments into the journal. While the disk takes no writes there is no new work, what runs goes on, and the disk
 * is looked at until it is mended. Assignments that cannot be noted, nor refused, are kept in memory until then; after a
 * crash the coordinator sends them anew.
 */
export class Intake {
  readonly #parts: IntakeParts;
  readonly #kept = new Map<string, Assignment>();
  #isPaused = false;
  #lookedAtMs = Number.NEGATIVE_INFINITY;

  constructor(parts: IntakeParts) {
    this.#parts = parts;
  }

  take(assignment: Assignment): void {
    const { closedReason, journal, log } = this.#parts;
    try {
      if (journal.fault === undefined) return admit(this.#parts, assignment, closedReason());
    } catch (error) {
      if (!isStorageFault(error)) throw error;
    }
    const attempt = attemptKeyText(assignment);
    // Of what is not kept, the coordinator learns by its own clock that it did not begin.
    const isKept = this.#kept.size < maxHeldAttempts;
    if (isKept) this.#kept.set(attempt, assignment);
    log.warn({ attempt, isKept }, 'an assignment could not be noted yet');
  }

  drop(key: AttemptRef): void {
    this.#kept.delete(attemptKeyText(key));
  }

  /** Drops what the coordinator does not want any more. */
  keepOnly(wanted: ReadonlySet<string>): void {
    for (const text of this.#kept.keys()) if (!wanted.has(text)) this.#kept.delete(text);
  }

  /** Takes what was kept, once the disk takes writes again. Cheap, and called often. */
  look(nowMs: number): void {
    const { journal, log, onChange } = this.#parts;
    if (journal.fault !== undefined && nowMs - this.#lookedAtMs >= lookAgainMs) {
      this.#lookedAtMs = nowMs;
      journal.recover();
    }
    const isPaused = journal.fault !== undefined;
    if (!isPaused && this.#kept.size > 0) {
      const kept = [...this.#kept.values()];
      this.#kept.clear();
      for (const assignment of kept) this.take(assignment);
      onChange();
    }
    if (isPaused === this.#isPaused) return;
    this.#isPaused = isPaused;
    if (isPaused)
      log.error(
        { reason: journal.fault },
        'the disk of the state folder takes no writes: the agent takes no new work until it does',
      );
    else log.info('the disk of the state folder takes writes again');
    onChange();
  }
}
