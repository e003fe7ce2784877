import { requestErrors } from './errors/request-errors.ts';
import { serviceErrors } from './errors/service-errors.ts';
import { sessionErrors } from './errors/session-errors.ts';
import { workErrors } from './errors/work-errors.ts';

/**
 * The one catalogue of codes. A code names a cause once and for all: programs may switch on it, so a code is
 * never renamed or reused. It decides the HTTP status, the WebSocket close code and whether the same call
 * may succeed later; the hint is the sentence a person reads.
 */
export const errorCatalogue = {
  ...requestErrors,
  ...workErrors,
  ...sessionErrors,
  ...serviceErrors,
} as const;

export type ErrorCode = keyof typeof errorCatalogue;

/** What the artifact store answers when it is its own fault, or its consumer's, and the sender should keep what it has. */
export const roomErrors = [
  'artifact.consumer_full',
  'artifact.store_full',
  'artifact.store_failed',
] as const satisfies readonly ErrorCode[];

export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(errorCatalogue, text);
}

/** `application/problem+json` (RFC 9457) as every refusal over HTTP is written. */
export interface ProblemDetails {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: ErrorCode;
  readonly detail: string;
  readonly hint: string;
  readonly retryable: boolean;
  readonly request_id: string;
  /** With artifact.offset_mismatch: where to go on. */
  readonly offset?: number;
  readonly errors?: readonly { readonly pointer: string; readonly message: string }[];
}
