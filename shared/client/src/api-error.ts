import type { ErrorCode, ProblemDetails } from '@capacloud/protocol/catalogue/errors';
import type { Problem } from '@capacloud/protocol/result';

/** A refusal by the coordinator, or `network` when no answer came. Switch on `code`, show `message` and `hint`. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly code: ErrorCode | 'network';
  readonly status: number;
  readonly hint: string;
  readonly retryable: boolean;
  readonly requestId: string | undefined;
  readonly problems: readonly Problem[];
  /** Seconds that the coordinator asked to wait. */
  readonly retryAfterS: number | undefined;

  constructor(
    details: Omit<ProblemDetails, 'code' | 'type' | 'request_id'> & {
      readonly code: ErrorCode | 'network';
      readonly request_id?: string;
    },
    extra: { readonly retryAfterS?: number; readonly cause?: unknown } = {},
  ) {
    super(details.detail === '' ? details.title : details.detail, { cause: extra.cause });
    this.code = details.code;
    this.status = details.status;
    this.hint = details.hint;
    this.retryable = details.retryable;
    this.requestId = details.request_id;
    this.problems = details.errors ?? [];
    this.retryAfterS = extra.retryAfterS;
  }
}

/** What a failed connection looks like to a caller. */
export function networkError(baseUrl: string, cause: unknown): ApiError {
  const reason = rootMessage(cause);
  // OpenSSL says of an answer in plain text that its version number is wrong, with a place in its own sources.
  const speaksNoTls = /SSL routines.*(wrong version number|packet length too long)/i.test(reason);
  return new ApiError(
    {
      code: 'network',
      title: 'No answer',
      status: 0,
      detail: speaksNoTls
        ? `${baseUrl} did not answer: what listens there does not speak TLS`
        : `${baseUrl} did not answer: ${reason}`,
      hint: speaksNoTls
        ? `Write ${baseUrl.replace(/^https:/, 'http:')} where the coordinator is reached without TLS.`
        : (proxyHint(cause) ?? 'Check the address and that the coordinator runs.'),
      retryable: true,
    },
    { cause },
  );
}

/** What the connection itself says to do, as where a proxy stands in the way. */
function proxyHint(error: unknown): string | undefined {
  return error instanceof Error && 'hint' in error ? String(error.hint) : undefined;
}

function rootMessage(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // One with a hint is worded for people already.
  return error.cause instanceof Error && !('hint' in error)
    ? rootMessage(error.cause)
    : error.message === '' && 'code' in error
      ? String(error.code)
      : error.message;
}
