import type { Command } from '@capacloud/core/contract/command';
import type { Event } from '@capacloud/core/contract/event';
import { apply, decide } from '@capacloud/core/machine';
import type { State } from '@capacloud/core/state';
import { serve } from '../cli/serve.ts';
import { readConfig } from '../config/config.ts';

/**
 * A coordinator with a fault in its state machine, as no release is meant to have one: what a node says of its region tells
 * which invariant breaks over it. Everything else is the program as it is shipped.
 */
const config = readConfig({ file: process.argv[2], env: {}, flags: {}, cwd: process.cwd() });
if (!config.ok) throw new Error(config.refusal.message);

function regionOf(state: State, event: Event | Command): string | undefined {
  if ('offer' in event) return event.offer.region;
  return 'node' in event ? state.nodes.get(event.node)?.offer.region : undefined;
}

await serve(config.value, '0.0.0', {
  decide(state, command, notes) {
    const decision = decide(state, command, notes);
    if (command.type === 'place' && decision.ok)
      for (const event of decision.value) {
        if (event.type !== 'attempt.assigned' || regionOf(state, event) !== 'breaks-place') continue;
        notes.busy.node = event.node;
        throw new Error('a placement broke the books');
      }
    return decision;
  },
  apply(state, event) {
    const region = regionOf(state, event);
    apply(state, event);
    // The state is changed, and the decision half applied.
    if (event.type === 'attempt.assigned' && region === 'breaks-assignment')
      throw new Error('an assignment broke the books');
    if (event.type === 'node.offered' && region === 'breaks-offer')
      throw new Error('an offer broke the books');
  },
});
