import type { ErrorCode } from '@capacloud/protocol/catalogue/errors';
import type { Problem, Refusal } from '@capacloud/protocol/result';

/** A problem with its place in the user's own file where that is known: `job.yaml:7:3`. */
export interface PlacedProblem extends Problem {
  readonly place?: string;
}

/** What the user can mend. The exit status is part of it. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly exitStatus: number;
  readonly code: ErrorCode | 'usage' | 'network';
  readonly hint: string;
  readonly problems: readonly PlacedProblem[];

  constructor(
    exitStatus: number,
    refusal: Omit<Refusal, 'code' | 'problems'> & {
      readonly code: ErrorCode | 'usage' | 'network';
      readonly problems?: readonly PlacedProblem[];
    },
  ) {
    super(refusal.message);
    this.exitStatus = exitStatus;
    this.code = refusal.code;
    this.hint = refusal.hint ?? '';
    this.problems = refusal.problems ?? [];
  }
}

export function usageError(message: string, hint = ''): CommandError {
  return new CommandError(2, { code: 'usage', message, hint });
}

/** Ctrl-C, or a polite kill. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
  readonly exitStatus: number;

  constructor(exitStatus: number) {
    super('interrupted');
    this.exitStatus = exitStatus;
  }
}

/** Nobody takes what is printed any more. A reader that has enough (`| head`) is no failure; a full disk is one. */
export class OutputLost extends Error {
  override readonly name = 'OutputLost';
  readonly code: string;
  readonly exitStatus: number;

  constructor(cause: NodeJS.ErrnoException) {
    super(`Standard output cannot be written: ${systemReason(cause)}.`, { cause });
    this.code = cause.code ?? 'EIO';
    this.exitStatus = this.code === 'EPIPE' ? 0 : 125;
  }
}

/** What the operating system said, in words. */
export function systemReason(error: NodeJS.ErrnoException): string {
  switch (error.code ?? '') {
    case 'ENOENT':
      return 'there is no such file or folder';
    case 'EACCES':
    case 'EPERM':
      return 'this user may not do that';
    case 'EISDIR':
      return 'it is a folder';
    case 'ENOTDIR':
      return 'a part of its path is no folder';
    case 'ENOSPC':
    case 'EDQUOT':
      return 'the disk is full';
    case 'EROFS':
      return 'the file system is read-only';
    case 'EPIPE':
      return 'its reader has gone';
    default:
      return error.code ?? error.message;
  }
}
