/**
 * The one catalogue of codes. A code names a cause once and for all: programs may switch on it, so a code is
 * never renamed or reused. It decides the HTTP status, the WebSocket close code and whether the same call
 * may succeed later; the hint is the sentence a person reads.
 */
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

function entry(http: number, ws: number, retryable: boolean, title: string, hint: string): ErrorEntry {
  return { http, ws, retryable, title, hint };
}

export const errorCatalogue = {
  // Requests
  'request.malformed': entry(
    400,
    4400,
    false,
    'Malformed request',
    'Send a body that is valid JSON with content-type application/json.',
  ),
  'request.invalid': entry(
    422,
    4400,
    false,
    'Invalid request',
    'Mend the fields listed in errors and send it again.',
  ),
  'request.too_large': entry(
    413,
    1009,
    false,
    'Request too large',
    'Send less at once; limits are listed in the API description.',
  ),
  'request.timeout': entry(
    408,
    4408,
    true,
    'Request timed out',
    'Send the whole request without long pauses.',
  ),
  'request.not_found': entry(
    404,
    4404,
    false,
    'No such resource',
    'Check the id and that the key belongs to the account that owns it.',
  ),
  'request.method_not_allowed': entry(
    405,
    4400,
    false,
    'Method not allowed',
    'See the API description for the methods of this path.',
  ),
  'request.unsupported_media_type': entry(
    415,
    4400,
    false,
    'Unsupported content type',
    'Send application/json (or application/octet-stream for artifact chunks).',
  ),
  'request.rate_limited': entry(
    429,
    4429,
    true,
    'Too many requests',
    'Wait as long as the Retry-After header says.',
  ),
  'request.conflict': entry(
    409,
    4409,
    false,
    'Conflict',
    'Read the current state of the resource and decide again.',
  ),
  'request.range_invalid': entry(
    416,
    4400,
    false,
    'Range not satisfiable',
    'Ask for a range inside the size of the artifact.',
  ),
  'idempotency.mismatch': entry(
    409,
    4409,
    false,
    'Idempotency key reused for another request',
    'Use a new Idempotency-Key for a new request.',
  ),
  'idempotency.required': entry(
    400,
    4400,
    false,
    'Idempotency key missing',
    'Send an Idempotency-Key header (any unique string up to 128 characters).',
  ),

  // Identity
  'auth.missing': entry(
    401,
    4401,
    false,
    'Not authenticated',
    'Send Authorization: Bearer followed by an API key.',
  ),
  'auth.invalid': entry(
    401,
    4401,
    false,
    'Unknown or expired credentials',
    'Create a new API key, or check which coordinator the key belongs to.',
  ),
  'auth.forbidden': entry(
    403,
    4403,
    false,
    'Not allowed',
    'This key lacks the scope for the call; use a key with the scope named in the message.',
  ),

  // Job file
  'job.invalid': entry(
    422,
    4400,
    false,
    'The job file is not valid',
    'Mend the fields listed in errors; `capacloud validate FILE` checks a file without sending it.',
  ),
  'job.unsupported': entry(
    422,
    4400,
    false,
    'Not supported yet',
    'Remove the fields listed in errors; nothing acts on them yet, and none is ignored silently.',
  ),
  'job.too_many_tasks': entry(
    422,
    4400,
    false,
    'Too many tasks',
    'Split the job; the limit is stated in the message.',
  ),
  'job.artifact_missing': entry(
    422,
    4400,
    false,
    'An input is not there',
    'Upload the artifact first, then submit the job again.',
  ),
  'job.terminal': entry(409, 4409, false, 'The job has already ended', 'Submit a new job.'),

  // Money
  'ledger.insufficient_funds': entry(
    402,
    4402,
    false,
    'Not enough CAPA',
    'Add funds, or lower price.max_per_hour, price.max_total, timeout or replicas.',
  ),
  'ledger.amount_invalid': entry(
    422,
    4400,
    false,
    'Amount out of range',
    'Amounts are decimal strings of nano-CAPA between 1 and 10^18.',
  ),
  'ledger.account_unknown': entry(404, 4404, false, 'No such account', 'Check the account id.'),
  'ledger.account_exists': entry(409, 4409, false, 'The account exists', 'Choose another account id.'),

  // Artifacts
  'artifact.hash_mismatch': entry(
    422,
    4400,
    false,
    'The bytes do not match the hash',
    'The upload was discarded; read the file again and upload it from the start.',
  ),
  'artifact.offset_mismatch': entry(
    409,
    4409,
    true,
    'Upload offset does not match',
    'Ask for the offset with HEAD and continue from there.',
  ),
  'artifact.quota_exceeded': entry(
    413,
    4413,
    false,
    'Artifact storage is full',
    'Delete artifacts that you no longer need, or ask the operator for more room.',
  ),
  'artifact.incomplete': entry(
    409,
    4409,
    true,
    'The artifact is still being uploaded',
    'Finish the upload first.',
  ),

  // Sessions
  'session.protocol_unsupported': entry(
    426,
    4426,
    false,
    'No common protocol version',
    'Update the agent (or the coordinator) to a release that shares a protocol version.',
  ),
  'session.delegation_invalid': entry(
    401,
    4401,
    false,
    'The session delegation is not valid',
    'Check the clock, the chain id and the coordinator name of the agent.',
  ),
  'session.handshake_timeout': entry(
    408,
    4408,
    true,
    'The handshake took too long',
    'Connect again; the agent does so by itself.',
  ),
  'session.superseded': entry(
    409,
    4410,
    false,
    'A newer session of this node took over',
    'Two agents run with one key: stop one of them.',
  ),
  'session.stale': entry(
    409,
    4411,
    true,
    'The session is no longer valid',
    'Connect again; the agent does so by itself.',
  ),
  'session.backlog': entry(
    429,
    4429,
    true,
    'The peer reads too slowly',
    'Connect again; everything durable is sent again.',
  ),
  'session.draining': entry(
    503,
    1012,
    true,
    'The coordinator is restarting',
    'Connect again in a moment; the agent does so by itself.',
  ),
  'session.idle': entry(
    408,
    4408,
    true,
    'Nothing was heard in time',
    'Connect again; the agent does so by itself.',
  ),
  'frame.malformed': entry(
    400,
    4400,
    false,
    'A frame could not be read',
    'Frames are JSON text of the shapes in the protocol package.',
  ),
  'frame.too_large': entry(413, 1009, false, 'A frame is too large', 'Send less in one frame.'),
  'frame.out_of_order': entry(
    409,
    4412,
    true,
    'A frame is out of order or was replayed',
    'Connect again; the agent does so by itself.',
  ),
  'frame.unexpected': entry(
    400,
    4400,
    false,
    'A frame came at the wrong time',
    'Follow the handshake: challenge, hello, welcome.',
  ),
  'frame.rate_limited': entry(429, 4429, true, 'Too many frames', 'Send fewer frames; batch reports.'),

  // Nodes and attempts
  'node.unknown': entry(404, 4404, false, 'No such node', 'Check the node id.'),
  'node.state_invalid': entry(
    409,
    4409,
    false,
    'The node cannot do that in its present state',
    'Read the state of the node first.',
  ),
  'attempt.fenced': entry(
    409,
    4409,
    false,
    'A newer attempt has taken over',
    'Drop the attempt; its work is not paid.',
  ),
  'attempt.unknown': entry(404, 4404, false, 'No such attempt', 'Drop it; the coordinator does not know it.'),
  'attempt.transition_invalid': entry(
    409,
    4409,
    false,
    'The attempt cannot go there from its present state',
    'Report states in the order of the state machine.',
  ),
  'receipt.signature_invalid': entry(
    401,
    4401,
    false,
    'The receipt is not signed by the session key',
    'Sign the receipt batch with the key that the session delegated.',
  ),
  'receipt.invalid': entry(
    422,
    4400,
    false,
    'The receipt does not describe this attempt',
    'The receipt must name the node, task, attempt and nonce of the assignment.',
  ),

  // The service itself
  'service.draining': entry(503, 1012, true, 'The coordinator is shutting down', 'Try again in a moment.'),
  'service.overloaded': entry(
    503,
    1013,
    true,
    'The coordinator is overloaded',
    'Try again after the time in Retry-After.',
  ),
  'service.internal': entry(500, 1011, true, 'Internal error', 'Report it with the request id.'),
  'log.damaged': entry(
    500,
    1011,
    false,
    'The log is damaged',
    'Do not start on it: restore the data folder from a backup.',
  ),
  'log.foreign': entry(
    500,
    1011,
    false,
    'The data folder belongs to another program or a newer release',
    'Point data_dir to an empty folder or use the release that wrote it.',
  ),

  // Configuration
  'config.invalid': entry(
    422,
    4400,
    false,
    'The configuration is not valid',
    'Mend the settings that are listed.',
  ),
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof errorCatalogue;

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
  readonly errors?: readonly { readonly pointer: string; readonly message: string }[];
}
