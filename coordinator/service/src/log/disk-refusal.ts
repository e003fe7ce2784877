import type { Command } from '@capacloud/core/contract/command';
import type { ReadOnly } from '@capacloud/core/read-only';
import type { State } from '@capacloud/core/state';
import type { Refused } from './sequencer-refusals.ts';

export const diskFull: Refused = {
  ok: false,
  refusal: {
    code: 'service.disk_low',
    message: 'The disk of the coordinator is nearly full: what is left is for the work that runs.',
  },
};

const newWork: ReadonlySet<Command['type']> = new Set(['account.credit', 'account.open', 'job.submit']);

/** Whether it begins something new. All else belongs to what was promised: it has the rest of the disk. */
export function beginsWork({ nodes }: ReadOnly<State>, command: Command): boolean {
  return command.type === 'node.connect' ? !nodes.has(command.node) : newWork.has(command.type);
}
