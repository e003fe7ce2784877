import { holdsShownText } from '@capacloud/protocol/input/plain-text';
import type { Refusal } from '@capacloud/protocol/result';
import type { Command } from './command.ts';

/**
 * Why a command is refused that would put text into the public log of which a reader does not see every character. The doors
 * refuse or clean it before, but the log does not depend on them: what is in it is shown for ever.
 */
export function hiddenIn(command: Command): Refusal | undefined {
  const text = publicTextOf(command);
  if (text === undefined || holdsShownText(text.value)) return undefined;
  return {
    code: 'request.invalid',
    message: `The ${text.what} holds a character that nobody sees, such as a control character or a mark of direction.`,
    hint: 'Remove it.',
  };
}

function publicTextOf(command: Command): { readonly what: string; readonly value: unknown } | undefined {
  const { type } = command;
  if (type === 'node.connect' || type === 'node.change_offer') return { what: 'offer', value: command.offer };
  if (type === 'job.submit') return { what: 'job', value: command.terms };
  if (type === 'attempt.finish') return { what: 'receipt', value: command.imageRunsOn };
  if (type === 'account.open') return { what: 'account', value: command.account };
  return type === 'account.credit' ? { what: 'reference', value: command.ref } : undefined;
}
