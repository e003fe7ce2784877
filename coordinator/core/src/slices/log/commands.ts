import type { Result } from '@capacloud/protocol/result';
import { accept, refuse } from '@capacloud/protocol/result';
import type { ChangeRuleset, OpenLog } from '../../contract/command.ts';
import type { Event } from '../../contract/event.ts';
import type { ReadOnly } from '../../read-only.ts';
import type { State } from '../../state.ts';

function decideOpen(state: ReadOnly<State>, { at, origin, ruleset }: OpenLog): Result<readonly Event[]> {
  if (state.origin !== '') return refuse('request.conflict', 'The log is open.');
  return accept([{ at, origin, ruleset, type: 'log.opened' }]);
}

function decideRuleset(_state: ReadOnly<State>, { at, ruleset }: ChangeRuleset): Result<readonly Event[]> {
  return accept([{ at, ruleset, type: 'ruleset.changed' }]);
}

export const logCommands = {
  'log.open': decideOpen,
  'ruleset.change': decideRuleset,
};
