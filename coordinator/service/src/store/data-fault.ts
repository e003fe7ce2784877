import type { ErrorCode } from '@capacloud/protocol/catalogue/errors';
import { DataError } from './data-error.ts';

const full = 'Free some space there, and try again. Nothing that was promised is lost.';
const unwritable =
  'Give the user that runs it a folder that it may write, on a disk that is mounted read-write.';
const failing = 'The disk fails: look at the kernel log, and restore a backup to another disk.';
const misplaced = 'Check the path: what is there is of another kind.';

interface Kind {
  /** Of the operating system or of SQLite, by the beginning of its code. */
  readonly begin: string;
  readonly code: ErrorCode;
  readonly hint?: string;
}

/** The first that fits counts. */
const kinds: readonly Kind[] = [
  { begin: 'SQLITE_NOTADB', code: 'log.foreign' },
  { begin: 'SQLITE_CORRUPT', code: 'log.damaged' },
  {
    begin: 'SQLITE_BUSY',
    code: 'log.in_use',
    hint: 'Another program has it open: end that one, then try again.',
  },
  {
    begin: 'SQLITE_LOCKED',
    code: 'log.in_use',
    hint: 'Another program has it open: end that one, then try again.',
  },
  { begin: 'SQLITE_FULL', code: 'log.unavailable', hint: full },
  { begin: 'ENOSPC', code: 'log.unavailable', hint: full },
  { begin: 'EDQUOT', code: 'log.unavailable', hint: full },
  { begin: 'SQLITE_READONLY', code: 'log.unavailable', hint: unwritable },
  { begin: 'SQLITE_CANTOPEN_ISDIR', code: 'log.unavailable', hint: misplaced },
  { begin: 'SQLITE_CANTOPEN', code: 'log.unavailable', hint: unwritable },
  { begin: 'SQLITE_PERM', code: 'log.unavailable', hint: unwritable },
  { begin: 'EACCES', code: 'log.unavailable', hint: unwritable },
  { begin: 'EPERM', code: 'log.unavailable', hint: unwritable },
  { begin: 'EROFS', code: 'log.unavailable', hint: unwritable },
  {
    begin: 'ENOENT',
    code: 'log.unavailable',
    hint: 'Check the path: nothing can be made there.',
  },
  { begin: 'ENOTDIR', code: 'log.unavailable', hint: misplaced },
  { begin: 'EEXIST', code: 'log.unavailable', hint: misplaced },
  { begin: 'EISDIR', code: 'log.unavailable', hint: misplaced },
  { begin: 'EIO', code: 'log.unavailable', hint: failing },
  { begin: 'SQLITE_IOERR', code: 'log.unavailable', hint: failing },
  { begin: 'SQLITE_PROTOCOL', code: 'log.unavailable', hint: failing },
  { begin: 'SQLITE_NOLFS', code: 'log.unavailable', hint: failing },
];

/**
 * What the operating system or SQLite said of a file of the data folder, in the words of the operator. Undefined for a fault
 * of the program, such as a constraint that a write breaks.
 */
export function dataFault(error: unknown, path: string): DataError | undefined {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return undefined;
  const said = error.code;
  const kind = kinds.find(({ begin }) => said.startsWith(begin));
  if (kind === undefined) return undefined;
  const { code, hint } = kind;
  return new DataError(code, `${path} ${sentences[code] ?? 'cannot be used'}: ${error.message} (${said}).`, {
    cause: error,
    isFull: hint === full,
    ...(hint === undefined ? {} : { hint }),
  });
}

const sentences: Partial<Record<ErrorCode, string>> = {
  'log.foreign': 'is not a database of a coordinator',
  'log.damaged': 'is damaged',
  'log.in_use': 'is in use',
};

/** Does something with files of the data folder. Throws DataError for whatever they do not allow. */
export function withData<T>(path: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    throw dataFault(error, path) ?? error;
  }
}
