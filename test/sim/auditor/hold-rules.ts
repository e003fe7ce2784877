import type { Ruleset } from './entry.ts';
import type { TaskFacts } from './task-facts.ts';

/** By whose storage it waits, and how an attempt ends that waited too long. */
export const holdReasons: Readonly<Record<string, string>> = { account: 'quota_full', store: 'store_full' };

/** When an attempt that waits has waited for too long; undefined where it does not wait. */
export function heldUntil({ heldAt, heldFor }: TaskFacts, { uploadHoldMs = 0 }: Ruleset): number | undefined {
  return heldFor === undefined ? undefined : heldAt + uploadHoldMs;
}
