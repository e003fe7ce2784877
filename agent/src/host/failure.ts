import { debuglog } from 'node:util';
import { errorCatalogue } from '@capacloud/protocol/catalogue/errors';
import type { Refusal } from '@capacloud/protocol/result';

/** What a command that cannot go on tells: what happened, what to do, and the exit status (2: usage and configuration). */
export interface Failure {
  readonly message: string;
  readonly hint: string;
  readonly code: string;
  readonly exitStatus: number;
}

/** Something that the owner has to mend; told without a stack. */
export class OwnerMustAct extends Error {
  override readonly name = 'OwnerMustAct';
  readonly code: string;
  readonly hint: string;

  constructor(
    refusal: Pick<Refusal, 'message' | 'hint'> & { readonly code: string },
    options?: ErrorOptions,
  ) {
    super(refusal.message, options);
    this.code = refusal.code;
    this.hint = refusal.hint ?? catalogueHint(refusal.code);
  }
}

function catalogueHint(code: string): string {
  return (errorCatalogue as Readonly<Record<string, { readonly hint: string }>>)[code]?.hint ?? '';
}

const full = 'Free some space there, or move state_dir.';
const unwritable =
  'Give it to the user of the agent, on a disk that is mounted read-write, or choose another place.';
const busy = 'Another program has it open: end that one, then start again.';
/** Of the operating system and of SQLite, by the beginning of the code. */
const hints: readonly (readonly [begin: string, hint: string])[] = [
  ['ENOSPC', full],
  ['EDQUOT', full],
  ['SQLITE_FULL', full],
  ['EROFS', unwritable],
  ['EACCES', unwritable],
  ['EPERM', unwritable],
  ['SQLITE_READONLY', unwritable],
  ['SQLITE_CANTOPEN', unwritable],
  ['SQLITE_BUSY', busy],
  ['SQLITE_LOCKED', busy],
  ['EADDRINUSE', busy],
  ['ENOENT', 'Check the path; a folder above it has to exist.'],
  ['ENOTDIR', 'Check the path: something on the way to it is a file.'],
  ['EEXIST', 'Check the path: there is something else at it.'],
  ['EISDIR', 'Check the path: there is a folder at it.'],
  ['ENAMETOOLONG', 'Choose a shorter path.'],
  ['ELOOP', 'Check the path: its links go in a circle.'],
  ['EMFILE', 'Raise the limit of open files (ulimit -n, or LimitNOFILE of the service).'],
  ['ENFILE', 'The machine has too many files open: end what holds them.'],
  ['ENOMEM', 'Free some memory.'],
  ['SQLITE_IOERR', 'The disk fails: look at the kernel log, and move state_dir to another disk.'],
  [
    'SQLITE_',
    'Move the file aside: what it says of work in progress is lost, and the coordinator gives that away.',
  ],
  ['EIO', 'The disk fails: look at the kernel log.'],
];

/** Where to look for a fault that is none of the owner's. NODE_DEBUG is Node's own switch for such output. */
const faultHint = 'This is a fault of the agent: report it. NODE_DEBUG=capacloud shows where it happened.';

/** Any error in the words of a person. */
export function failureOf(error: unknown): Failure {
  debuglog('capacloud')('%o', error);
  const message = error instanceof Error ? error.message : String(error);
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
  if (error instanceof OwnerMustAct)
    return { message, hint: error.hint, code, exitStatus: code === 'config.invalid' ? 2 : 1 };
  if (error instanceof Error && 'hint' in error && typeof error.hint === 'string')
    return { message, hint: error.hint, code, exitStatus: 1 };
  const hint = hints.find(([begin]) => code.startsWith(begin))?.[1];
  return hint === undefined
    ? { message: message.split('\n')[0] ?? '', hint: faultHint, code: code || 'agent_fault', exitStatus: 1 }
    : { message, hint, code, exitStatus: 1 };
}

/** Two lines, as every failure is told. */
export function failureText({ message, hint, code }: Failure): string {
  return `capacloud-agent: ${message}\n  hint: ${hint} [${code}]\n`;
}
