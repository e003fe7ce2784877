import { invariant } from '../../assert.ts';
import type { LogOpened, RulesetChanged } from '../../contract/event.ts';
import type { State } from '../../state.ts';
import { setStageClock } from '../attempt/stage-clock.ts';
import { isActive } from '../attempt/task-states.ts';
import { proveByStanding } from '../node/forgotten.ts';
import { review } from '../node/standing.ts';

function applyOpened(state: State, { origin, ruleset }: LogOpened): void {
  invariant(state.origin === '' && origin !== '', 'the log is opened once, by name');
  state.origin = origin;
  state.ruleset = ruleset;
}

/** Clocks that run are set again by the new rules, so that every deadline follows from the state alone. */
function applyRuleset(state: State, { at, ruleset }: RulesetChanged): void {
  if (state.ruleset.maxUnprovenNodes === undefined && ruleset.maxUnprovenNodes !== undefined)
    proveByStanding(state);
  state.ruleset = ruleset;
  for (const node of state.nodes.values()) review(state, node, at);
  for (const job of state.jobs.values()) {
    for (const task of job.tasks) if (isActive(task.state)) setStageClock(state, job, task);
  }
}

export const logEvents = {
  'log.opened': applyOpened,
  'ruleset.changed': applyRuleset,
};
