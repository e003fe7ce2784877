import type { TSchema } from 'typebox';
import Type from 'typebox';
import type { ErrorCode, ProblemDetails } from '../catalogue/errors.ts';

export interface Route {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'HEAD';
  /** OpenAPI form: /v1/jobs/{job}. */
  readonly path: string;
  readonly summary: string;
  readonly tag: 'jobs' | 'tasks' | 'artifacts' | 'nodes' | 'accounts' | 'market' | 'log' | 'service';
  /** Who may call: anyone; a consumer key; an operator key; an agent's session; a consumer key or an agent's session. */
  readonly auth: 'none' | 'consumer' | 'operator' | 'agent' | 'consumer-or-agent';
  readonly params?: TSchema;
  readonly query?: TSchema;
  /** JSON schema of the body, or `binary` for application/octet-stream. */
  readonly body?: TSchema | 'binary';
  readonly headers?: TSchema;
  readonly status: 200 | 201 | 204;
  readonly response: TSchema | 'binary' | 'event-stream' | 'text' | 'none';
  /** An Idempotency-Key header is required: the call spends or creates. */
  readonly idempotent?: true;
  /** How many calls a body counts for against the rate of its account; 1 where nothing is said. */
  readonly weigh?: (body: unknown) => number;
  readonly errors: readonly ErrorCode[];
}

export const closed = { additionalProperties: false } as const;
const text = Type.String({ maxLength: 4096 });
/** A refusal inside an answer (RFC 9457). */
export const ProblemSchema = Type.Unsafe<ProblemDetails>(
  Type.Object(
    {
      type: text,
      title: text,
      status: Type.Integer({ minimum: 400, maximum: 599 }),
      code: text,
      detail: text,
      hint: text,
      retryable: Type.Boolean(),
      request_id: text,
      errors: Type.Optional(Type.Array(Type.Object({ pointer: text, message: text }, closed))),
    },
    closed,
  ),
);
export const count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
export const page = {
  cursor: Type.Optional(Type.String({ maxLength: 256 })),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 500, default: 50 })),
};
