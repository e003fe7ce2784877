import type { JobTerms } from '../../contract/command.ts';
import type { Ruleset } from '../../contract/ruleset.ts';

/** What a task has when it makes way is there again when it goes on. A gang starts anew: none of it waits by itself. */
export function isSaved({ checkpoint, gang }: JobTerms): boolean {
  return checkpoint === true && gang !== true;
}

/** How long a task that makes way may take: its grace period, and the time to save what it has. */
export function makingWayMs({ checkpointTimeoutMs }: Ruleset, terms: JobTerms): number {
  return terms.stopGraceMs + (isSaved(terms) ? (checkpointTimeoutMs ?? 0) : 0);
}
