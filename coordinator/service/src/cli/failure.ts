import { type ErrorCode, errorCatalogue } from '@capacloud/protocol/errors';
import type { Refusal } from '@capacloud/protocol/result';
import { CommanderError } from 'commander';
import { DataError } from '../store/data-error.ts';

/** A refusal on its way to the person at the terminal. */
export class CommandRefused extends Error {
  override readonly name = 'CommandRefused';
  readonly code: ErrorCode;
  readonly hint: string;

  constructor(refusal: Refusal) {
    super(refusal.message);
    this.code = refusal.code;
    this.hint = refusal.hint ?? errorCatalogue[refusal.code].hint;
  }
}

/** Writes what went wrong and what to do, and gives the exit status: 2 for a wrong use, 4 for credentials, else 1. */
export function tellFailure(error: unknown, out: { write(text: string): unknown }): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof CommandRefused || error instanceof DataError) {
    out.write(`error: ${error.message} (${error.code})\nhint: ${error.hint}\n`);
    if (error.code === 'config.invalid') return 2;
    return error.code.startsWith('auth.') ? 4 : 1;
  }
  out.write(`error: ${error instanceof Error ? error.message : String(error)}\n`);
  return 1;
}
