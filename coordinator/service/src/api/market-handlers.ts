import type { ApiDependencies } from './dependencies.ts';
import type { Handlers } from './handler.ts';
import { LateStarts } from './late-starts.ts';
import { planView } from './plan-view.ts';

export function marketHandlers(deps: ApiDependencies): Handlers<'planJob'> {
  const starts = new LateStarts(deps.sequencer);
  return {
    planJob: ({ caller, body, signal }) => planView(deps, starts, caller.account, body, signal),
  };
}
