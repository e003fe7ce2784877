import type { ReadOnly } from './read-only.ts';
import { checkAccounts } from './slices/account/invariants.ts';
import { checkAttempts } from './slices/attempt/invariants.ts';
import { checkJobs } from './slices/job/invariants.ts';
import { checkNodes } from './slices/node/invariants.ts';
import type { State } from './state.ts';

/** What each slice promises between two events. */
const checks: readonly ((state: ReadOnly<State>) => void)[] = [
  checkAccounts,
  checkJobs,
  checkAttempts,
  checkNodes,
];

/** Everything that must hold between two events, recomputed from nothing; O(state). For tests and audits. */
export function checkInvariants(state: ReadOnly<State>): void {
  for (const check of checks) check(state);
}
