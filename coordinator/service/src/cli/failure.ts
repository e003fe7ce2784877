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
  const disk = diskFault(error);
  out.write(
    `error: ${error instanceof Error ? error.message : String(error)}${disk === undefined ? '' : ` (${disk.code})`}\n`,
  );
  if (disk !== undefined) out.write(`hint: ${disk.hint}\n`);
  return 1;
}

const full = 'Free some space there, and try again. Nothing that was promised is lost.';
const unwritable =
  'Give the user that runs it a folder that it may write, on a disk that is mounted read-write.';
/** Of the operating system and of SQLite, by the beginning of its code. */
const diskHints: readonly (readonly [code: string, hint: string])[] = [
  ['ENOSPC', full],
  ['EDQUOT', full],
  ['SQLITE_FULL', full],
  ['EROFS', unwritable],
  ['EACCES', unwritable],
  ['EPERM', unwritable],
  ['SQLITE_READONLY', unwritable],
  ['SQLITE_CANTOPEN', unwritable],
  ['SQLITE_IOERR', 'The disk fails: look at the kernel log, and restore a backup to another disk.'],
];

function diskFault(error: unknown): { readonly code: string; readonly hint: string } | undefined {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return undefined;
  const { code } = error;
  const hint = diskHints.find(([begin]) => code.startsWith(begin))?.[1];
  return hint === undefined ? undefined : { code, hint };
}
