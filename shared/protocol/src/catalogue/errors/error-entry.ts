export interface ErrorEntry {
  /** HTTP status of a refusal with this code. */
  readonly http: number;
  /** WebSocket close code when the refusal ends a session (4000–4999 are ours). */
  readonly ws: number;
  /** Whether the identical request can succeed later without the caller changing anything. */
  readonly retryable: boolean;
  readonly title: string;
  readonly hint: string;
}

export function entry(http: number, ws: number, retryable: boolean, title: string, hint: string): ErrorEntry {
  return { http, ws, retryable, title, hint };
}
