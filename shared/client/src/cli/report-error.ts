import { shownJson } from '@capacloud/protocol/input/plain-text';
import { TransferError } from '@capacloud/transfer/transfer-error';
import { ApiError } from '../api-error.ts';
import { CommandError, Interrupted, OutputLost, type PlacedProblem, systemReason } from './command-error.ts';
import { plain } from './phrases.ts';
import { type Output, wrap } from './terminal.ts';

interface Shown {
  readonly message: string;
  readonly code: string;
  readonly hint: string;
  readonly problems: readonly PlacedProblem[];
  readonly requestId?: string | undefined;
}

interface Style {
  readonly json: boolean;
  /** Adds the stack, for developers. */
  readonly isDebugging?: boolean;
}

/** An error as a person reads it, or as one line of JSON. */
export function reportError(output: Output, error: unknown, { json, isDebugging = false }: Style): void {
  if (error instanceof Interrupted || (error instanceof OutputLost && error.exitStatus === 0)) return;
  const { message, code, hint, problems, requestId } = shown(error);
  if (json) {
    const body = { message, code, hint, problems, request_id: requestId };
    output.write(`${shownJson({ error: body })}\n`);
    return;
  }
  const { paint } = output;
  const write = (text: string) => output.write(`${wrap(text, output.columns).join('\n')}\n`);
  write(`${paint('red', 'error:')} ${plain(message)} ${paint('dim', `(${code})`)}`);
  for (const problem of problems) {
    const where = [problem.place, problem.pointer]
      .filter((text) => text !== undefined && text !== '')
      .join(' ');
    write(`  ${paint('bold', plain(where))}${where === '' ? '' : ' '}${plain(problem.message)}`);
  }
  if (hint !== '') write(`${paint('cyan', 'hint:')} ${plain(hint)}`);
  if (isDebugging && error instanceof Error) output.write(`${error.stack ?? ''}\n`);
  if (requestId !== undefined && code === 'service.internal')
    output.write(`request id: ${plain(requestId)}\n`);
}

function shown(error: unknown): Shown {
  if (error instanceof CommandError || error instanceof ApiError) return error;
  if (error instanceof TransferError) return { ...textOf(error), code: error.code, hint: error.hint };
  if (error instanceof OutputLost) return { ...textOf(error), code: error.code, hint: hintOf(error.code) };
  const { code, path } = error as Partial<NodeJS.ErrnoException>;
  if (error instanceof Error && typeof code === 'string' && typeof path === 'string')
    return {
      message: `${path} cannot be used: ${systemReason(error)}.`,
      code,
      hint: hintOf(code),
      problems: [],
    };
  return { ...textOf(error), code: typeof code === 'string' ? code : 'unexpected', hint: faultHint };
}

/** One line of it: some libraries write essays. */
function textOf(error: unknown): Pick<Shown, 'message' | 'problems'> {
  const [line = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
  return { message: line === '' ? 'The command failed without a reason.' : line, problems: [] };
}

const faultHint = 'This should not happen. Set CAPACLOUD_DEBUG=1 to see where it did, and report it.';

function hintOf(code: string): string {
  switch (code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return 'Make room and run the command again: transfers continue where they stopped.';
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return 'Check the permissions, or choose another place.';
    default:
      return 'Check the path.';
  }
}
