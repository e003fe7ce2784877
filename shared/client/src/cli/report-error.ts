import { ApiError } from '../api-error.ts';
import { CommandError, Interrupted, type PlacedProblem } from './command-error.ts';
import { plain } from './phrases.ts';
import type { Output } from './terminal.ts';

interface Shown {
  readonly message: string;
  readonly code: string;
  readonly hint: string;
  readonly problems: readonly PlacedProblem[];
  readonly requestId?: string | undefined;
}

/** An error as a person reads it, or as one line of JSON. */
export function reportError(output: Output, error: unknown, json: boolean): void {
  if (error instanceof Interrupted) return;
  const { message, code, hint, problems, requestId } = shown(error);
  if (json) {
    const body = { message, code, hint, problems, request_id: requestId };
    output.write(`${JSON.stringify({ error: body })}\n`);
    return;
  }
  const { paint } = output;
  output.write(`${paint('red', 'error:')} ${plain(message)} ${paint('dim', `(${code})`)}\n`);
  for (const problem of problems) {
    const where = [problem.place, problem.pointer]
      .filter((text) => text !== undefined && text !== '')
      .join(' ');
    output.write(`  ${paint('bold', plain(where))}${where === '' ? '' : ' '}${plain(problem.message)}\n`);
  }
  if (hint !== '') output.write(`${paint('cyan', 'hint:')} ${plain(hint)}\n`);
  if (requestId !== undefined && code === 'service.internal')
    output.write(`request id: ${plain(requestId)}\n`);
}

function shown(error: unknown): Shown {
  if (error instanceof CommandError || error instanceof ApiError) return error;
  const message = error instanceof Error ? error.message : String(error);
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unexpected';
  return { message, code, hint: hintOf(code), problems: [] };
}

function hintOf(code: string): string {
  switch (code) {
    case 'ENOSPC':
      return 'The disk is full; make room and run it again, it continues where it stopped.';
    case 'EACCES':
    case 'EROFS':
      return 'Choose a folder that you may write to.';
    default:
      return '';
  }
}
