import type { ErrorCode } from '@capacloud/protocol/errors';
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
