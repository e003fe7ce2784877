import type { ErrorCode } from './catalogue/errors.ts';

/** One thing that is wrong with a piece of input. `pointer` is a JSON Pointer (RFC 6901) into it. */
export interface Problem {
  readonly pointer: string;
  readonly message: string;
}

/** A refusal is a value, not an exception: the caller is told what was wrong and how to mend it. */
export interface Refusal {
  readonly code: ErrorCode;
  readonly message: string;
  /** Replaces the catalogue's hint when something more precise can be said. */
  readonly hint?: string;
  readonly problems?: readonly Problem[];
}

export type Result<T, E = Refusal> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly refusal: E };

export function accept<T>(value: T): Result<T, never> {
  return { ok: true, value };
}

export function refuse(
  code: ErrorCode,
  message: string,
  extra: { readonly hint?: string; readonly problems?: readonly Problem[] } = {},
): Result<never, Refusal> {
  return { ok: false, refusal: { code, message, ...extra } };
}
