import { debuglog } from 'node:util';
import { type ErrorCode, errorCatalogue } from '@capacloud/protocol/catalogue/errors';
import type { Refusal } from '@capacloud/protocol/result';
import { TransferError } from '@capacloud/transfer/transfer-error';
import { CommanderError } from 'commander';
import { SecretRefused } from '../secret-files.ts';
import { DataError } from '../store/data-error.ts';
import { dataFault } from '../store/data-fault.ts';

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
  debuglog('capacloud')('%o', error);
  const { code, message, hint } = failureOf(error);
  out.write(`error: ${message} (${code})\nhint: ${hint}\n`);
  if (code === 'config.invalid') return 2;
  return code.startsWith('auth.') ? 4 : 1;
}

interface Failure {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
}

/** Errors that say by themselves what to do. */
const refusals = [CommandRefused, DataError, SecretRefused, TransferError];

function failureOf(error: unknown): Failure {
  if (refusals.some((kind) => error instanceof kind)) return error as Failure & Error;
  const message = error instanceof Error ? error.message : String(error);
  // Some errors only say that something failed; why stands below.
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const code = cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : '';
  if (code.startsWith('SQLITE_')) return dataFault(cause, 'The database') ?? unreadable(message, code);
  const told = cause === error ? message : `${message}: ${(cause as Error).message}`;
  const hint = hints.find(([begin]) => code.startsWith(begin))?.[1];
  return hint === undefined ? fault(message) : { code, message: told, hint };
}

/** A statement that fits every database of ours does not fit this one. */
function unreadable(message: string, sqlite: string): Failure {
  const { hint } = errorCatalogue['log.damaged'];
  return { code: 'log.damaged', message: `The database cannot be read: ${message} (${sqlite}).`, hint };
}

/** NODE_DEBUG is Node's own switch for such output. */
function fault(message: string): Failure {
  return {
    code: 'service.internal',
    message: message.split('\n')[0] ?? '',
    hint: 'This is a fault of the program: report it. NODE_DEBUG=capacloud shows where it happened.',
  };
}

const full = 'Free some space there, and try again. Nothing that was promised is lost.';
const unwritable =
  'Give the user that runs it a folder that it may write, on a disk that is mounted read-write.';
const misplaced = 'Check the path: what is there is of another kind.';
const unreached =
  'Check that the coordinator runs and that --url and --listen name it; then the network and the proxy.';
/** Of the operating system, by the beginning of its code. */
const hints: readonly (readonly [code: string, hint: string])[] = [
  ['ENOSPC', full],
  ['EDQUOT', full],
  ['EROFS', unwritable],
  ['EACCES', unwritable],
  ['EPERM', unwritable],
  ['ENOENT', 'Check the path; a folder above it has to exist.'],
  ['EEXIST', misplaced],
  ['ENOTDIR', misplaced],
  ['EISDIR', misplaced],
  ['ENAMETOOLONG', 'Choose a shorter path.'],
  ['EIO', 'The disk fails: look at the kernel log, and restore a backup to another disk.'],
  ['EMFILE', 'Raise the limit of open files (ulimit -n, or LimitNOFILE of the service).'],
  ['EADDRINUSE', 'Another program listens there: end it, or choose another address with --listen.'],
  ['EADDRNOTAVAIL', 'This machine has no such address: choose another with --listen.'],
  ['ECONNREFUSED', unreached],
  ['ECONNRESET', unreached],
  ['ENOTFOUND', unreached],
  ['EAI_AGAIN', unreached],
  ['EHOSTUNREACH', unreached],
  ['ENETUNREACH', unreached],
  ['ETIMEDOUT', unreached],
  ['UND_ERR_', unreached],
  ['ERR_INVALID_URL', 'An address looks like http://127.0.0.1:8080.'],
];
