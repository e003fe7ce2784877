import Type, { type Static, type TSchema } from 'typebox';
import type { ErrorCode } from './errors.ts';
import { AccountIdSchema, JobIdSchema, NodeIdSchema, Sha256Schema, TaskIdSchema } from './ids.ts';
import { AttemptNumberSchema, SignedReceiptSchema } from './receipt.ts';
import { NanoSchema } from './resources.ts';
import {
  AccountViewSchema,
  ApiKeyViewSchema,
  ArtifactViewSchema,
  AttemptViewSchema,
  JobDetailSchema,
  JobStateSchema,
  JobViewSchema,
  LedgerEntryViewSchema,
  NodeViewSchema,
  pageOf,
  TaskStateSchema,
  TaskViewSchema,
} from './views.ts';

/**
 * The REST API. This one definition drives the server's validation, the SDK's types and the OpenAPI document,
 * so they cannot drift apart.
 */
export interface Route {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'HEAD';
  /** OpenAPI form: /v1/jobs/{job}. */
  readonly path: string;
  readonly summary: string;
  readonly tag: 'jobs' | 'tasks' | 'artifacts' | 'nodes' | 'accounts' | 'log' | 'service';
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
  readonly errors: readonly ErrorCode[];
}

const closed = { additionalProperties: false } as const;
const count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const page = {
  cursor: Type.Optional(Type.String({ maxLength: 256 })),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 500, default: 50 })),
};
const jobParams = Type.Object({ job: JobIdSchema }, closed);
const taskParams = Type.Object({ task: TaskIdSchema }, closed);
const attemptParams = Type.Object({ task: TaskIdSchema, attempt: AttemptNumberSchema }, closed);
const nodeParams = Type.Object({ node: NodeIdSchema }, closed);
const artifactParams = Type.Object({ sha256: Sha256Schema }, closed);
const accountParams = Type.Object({ account: Type.String({ maxLength: 44 }) }, closed);
const hashes = Type.Array(Type.String({ pattern: '^[0-9a-f]{64}$' }));

export const routes = {
  getHealth: {
    method: 'GET',
    path: '/healthz',
    summary: 'The process is alive',
    tag: 'service',
    auth: 'none',
    status: 200,
    response: Type.Object({ status: Type.Literal('ok') }, closed),
    errors: [],
  },
  getReady: {
    method: 'GET',
    path: '/readyz',
    summary: 'The service takes requests',
    tag: 'service',
    auth: 'none',
    status: 200,
    response: Type.Object({ status: Type.Literal('ready') }, closed),
    errors: ['service.draining'],
  },
  getInfo: {
    method: 'GET',
    path: '/v1/info',
    summary: 'Who this coordinator is, and its rules',
    tag: 'service',
    auth: 'none',
    status: 200,
    response: Type.Object(
      {
        name: Type.String(),
        version: Type.String(),
        chain_id: count,
        protocols: Type.Array(count),
        log_key: Type.String({ description: 'Verifier key of the log (C2SP signed-note vkey).' }),
        usd_per_capa: Type.String(),
        fee_basis_points: count,
        max_tasks_per_job: count,
        max_artifact_bytes: count,
        default_max_rate_nano: NanoSchema,
      },
      closed,
    ),
    errors: [],
  },
  getOpenApi: {
    method: 'GET',
    path: '/v1/openapi.json',
    summary: 'This description',
    tag: 'service',
    auth: 'none',
    status: 200,
    response: Type.Unknown(),
    errors: [],
  },
  getJobSchema: {
    method: 'GET',
    path: '/v1/schemas/job-1.json',
    summary: 'JSON Schema of the job file, for editors',
    tag: 'jobs',
    auth: 'none',
    status: 200,
    response: Type.Unknown(),
    errors: [],
  },

  submitJob: {
    method: 'POST',
    path: '/v1/jobs',
    summary: 'Submit a job; its price ceiling is held at once',
    tag: 'jobs',
    auth: 'consumer',
    query: Type.Object(
      {
        wait: Type.Optional(
          Type.Integer({
            minimum: 0,
            maximum: 60,
            description: 'Wait up to so many seconds for the job to end.',
          }),
        ),
      },
      closed,
    ),
    body: Type.Unknown({ description: 'A job file (see /v1/schemas/job-1.json).' }),
    status: 201,
    response: JobViewSchema,
    idempotent: true,
    errors: [
      'job.invalid',
      'job.unsupported',
      'job.too_many_tasks',
      'job.artifact_missing',
      'ledger.insufficient_funds',
      'idempotency.mismatch',
      'idempotency.required',
      'service.overloaded',
    ],
  },
  listJobs: {
    method: 'GET',
    path: '/v1/jobs',
    summary: 'Jobs of this account, newest first',
    tag: 'jobs',
    auth: 'consumer',
    query: Type.Object({ ...page, state: Type.Optional(JobStateSchema) }, closed),
    status: 200,
    response: pageOf(JobViewSchema),
    errors: [],
  },
  getJob: {
    method: 'GET',
    path: '/v1/jobs/{job}',
    summary: 'One job',
    tag: 'jobs',
    auth: 'consumer',
    params: jobParams,
    status: 200,
    response: JobDetailSchema,
    errors: ['request.not_found'],
  },
  cancelJob: {
    method: 'POST',
    path: '/v1/jobs/{job}/cancel',
    summary: 'Cancel what has not ended',
    tag: 'jobs',
    auth: 'consumer',
    params: jobParams,
    status: 200,
    response: JobViewSchema,
    errors: ['request.not_found', 'job.terminal'],
  },
  listTasks: {
    method: 'GET',
    path: '/v1/jobs/{job}/tasks',
    summary: 'Tasks of a job, by index',
    tag: 'tasks',
    auth: 'consumer',
    params: jobParams,
    query: Type.Object({ ...page, state: Type.Optional(TaskStateSchema) }, closed),
    status: 200,
    response: pageOf(TaskViewSchema),
    errors: ['request.not_found'],
  },
  followJob: {
    method: 'GET',
    path: '/v1/jobs/{job}/events',
    summary:
      'Live changes of the job and its tasks (SSE: event `task` with a TaskView, `job` with a JobView; ends after the job has)',
    tag: 'jobs',
    auth: 'consumer',
    params: jobParams,
    headers: Type.Object({ 'last-event-id': Type.Optional(Type.String({ maxLength: 64 })) }),
    status: 200,
    response: 'event-stream',
    errors: ['request.not_found'],
  },
  getTask: {
    method: 'GET',
    path: '/v1/tasks/{task}',
    summary: 'One task',
    tag: 'tasks',
    auth: 'consumer',
    params: taskParams,
    status: 200,
    response: TaskViewSchema,
    errors: ['request.not_found'],
  },
  listAttempts: {
    method: 'GET',
    path: '/v1/tasks/{task}/attempts',
    summary: 'Every try of a task',
    tag: 'tasks',
    auth: 'consumer',
    params: taskParams,
    status: 200,
    response: pageOf(AttemptViewSchema),
    errors: ['request.not_found'],
  },
  getReceipt: {
    method: 'GET',
    path: '/v1/tasks/{task}/attempts/{attempt}/receipt',
    summary: 'The signed receipt of an attempt',
    tag: 'tasks',
    auth: 'consumer',
    params: attemptParams,
    status: 200,
    response: SignedReceiptSchema,
    errors: ['request.not_found'],
  },
  followLog: {
    method: 'GET',
    path: '/v1/tasks/{task}/attempts/{attempt}/log',
    summary:
      'Output of an attempt. Accept: text/event-stream follows it (event ids are byte offsets, data is a JSON string); anything else gives the bytes so far',
    tag: 'tasks',
    auth: 'consumer',
    params: attemptParams,
    query: Type.Object({ offset: Type.Optional(count) }, closed),
    headers: Type.Object({ 'last-event-id': Type.Optional(Type.String({ maxLength: 64 })) }),
    status: 200,
    response: 'event-stream',
    errors: ['request.not_found'],
  },
  appendLog: {
    method: 'PUT',
    path: '/v1/tasks/{task}/attempts/{attempt}/log',
    summary: 'The agent appends output at an offset',
    tag: 'tasks',
    auth: 'agent',
    params: attemptParams,
    query: Type.Object(
      { offset: count, final: Type.Optional(Type.Boolean({ description: 'Nothing follows this chunk.' })) },
      closed,
    ),
    body: 'binary',
    status: 200,
    response: Type.Object({ offset: count }, closed),
    errors: ['artifact.offset_mismatch', 'attempt.unknown', 'request.too_large'],
  },

  createArtifact: {
    method: 'POST',
    path: '/v1/artifacts',
    summary: 'Announce an upload, or learn how far it has come',
    tag: 'artifacts',
    auth: 'consumer-or-agent',
    body: Type.Object({ sha256: Sha256Schema, size_bytes: count }, closed),
    status: 200,
    response: ArtifactViewSchema,
    errors: ['artifact.quota_exceeded', 'request.too_large', 'request.conflict'],
  },
  appendArtifact: {
    method: 'PATCH',
    path: '/v1/artifacts/{sha256}',
    summary: 'Append a chunk at Upload-Offset; the last one completes and checks the hash',
    tag: 'artifacts',
    auth: 'consumer-or-agent',
    params: artifactParams,
    headers: Type.Object({ 'upload-offset': Type.Integer({ minimum: 0 }) }),
    body: 'binary',
    status: 200,
    response: ArtifactViewSchema,
    errors: ['artifact.offset_mismatch', 'artifact.hash_mismatch', 'request.not_found', 'request.too_large'],
  },
  getArtifactStatus: {
    method: 'GET',
    path: '/v1/artifacts/{sha256}/status',
    summary: 'How much of it is here',
    tag: 'artifacts',
    auth: 'consumer-or-agent',
    params: artifactParams,
    status: 200,
    response: ArtifactViewSchema,
    errors: ['request.not_found'],
  },
  getArtifact: {
    method: 'GET',
    path: '/v1/artifacts/{sha256}',
    summary: 'Download; Range requests are answered, Repr-Digest carries the hash',
    tag: 'artifacts',
    auth: 'consumer-or-agent',
    params: artifactParams,
    headers: Type.Object({ range: Type.Optional(Type.String({ maxLength: 128 })) }),
    status: 200,
    response: 'binary',
    errors: ['request.not_found', 'artifact.incomplete', 'request.range_invalid'],
  },

  listNodes: {
    method: 'GET',
    path: '/v1/nodes',
    summary: 'Nodes of the network',
    tag: 'nodes',
    auth: 'none',
    query: Type.Object(page, closed),
    status: 200,
    response: pageOf(NodeViewSchema),
    errors: [],
  },
  getNode: {
    method: 'GET',
    path: '/v1/nodes/{node}',
    summary: 'One node',
    tag: 'nodes',
    auth: 'none',
    params: nodeParams,
    status: 200,
    response: NodeViewSchema,
    errors: ['request.not_found'],
  },
  directNode: {
    method: 'POST',
    path: '/v1/nodes/{node}/direct',
    summary: 'Cordon, uncordon or drain a node',
    tag: 'nodes',
    auth: 'operator',
    params: nodeParams,
    body: Type.Object(
      { to: Type.Union([Type.Literal('cordon'), Type.Literal('uncordon'), Type.Literal('drain')]) },
      closed,
    ),
    status: 200,
    response: NodeViewSchema,
    errors: ['request.not_found', 'node.state_invalid'],
  },

  getOwnAccount: {
    method: 'GET',
    path: '/v1/account',
    summary: 'The account of this key',
    tag: 'accounts',
    auth: 'consumer',
    status: 200,
    response: Type.Object({ ...AccountViewSchema.properties, scopes: Type.Array(Type.String()) }, closed),
    errors: [],
  },
  listAccounts: {
    method: 'GET',
    path: '/v1/accounts',
    summary: 'Every account and its balance, the system accounts included: they sum to zero',
    tag: 'accounts',
    auth: 'operator',
    query: Type.Object(page, closed),
    status: 200,
    response: pageOf(AccountViewSchema),
    errors: [],
  },
  createAccount: {
    method: 'POST',
    path: '/v1/accounts',
    summary: 'Open an account',
    tag: 'accounts',
    auth: 'operator',
    body: Type.Object({ id: AccountIdSchema }, closed),
    status: 201,
    response: AccountViewSchema,
    idempotent: true,
    errors: ['ledger.account_exists', 'idempotency.mismatch', 'idempotency.required'],
  },
  getAccount: {
    method: 'GET',
    path: '/v1/accounts/{account}',
    summary: 'Balance of an account',
    tag: 'accounts',
    auth: 'consumer',
    params: accountParams,
    status: 200,
    response: AccountViewSchema,
    errors: ['request.not_found', 'auth.forbidden'],
  },
  listEntries: {
    method: 'GET',
    path: '/v1/accounts/{account}/entries',
    summary: 'Ledger entries of an account, newest first',
    tag: 'accounts',
    auth: 'consumer',
    params: accountParams,
    query: Type.Object(page, closed),
    status: 200,
    response: pageOf(LedgerEntryViewSchema),
    errors: ['request.not_found', 'auth.forbidden'],
  },
  creditAccount: {
    method: 'POST',
    path: '/v1/accounts/{account}/credits',
    summary: 'Grant tokens to an account',
    tag: 'accounts',
    auth: 'operator',
    params: accountParams,
    body: Type.Object({ amount_nano: NanoSchema }, closed),
    status: 201,
    response: AccountViewSchema,
    idempotent: true,
    errors: [
      'ledger.account_unknown',
      'ledger.amount_invalid',
      'idempotency.mismatch',
      'idempotency.required',
    ],
  },
  createKey: {
    method: 'POST',
    path: '/v1/keys',
    summary: 'Make an API key; its secret is shown once. An operator may make one for any account',
    tag: 'accounts',
    auth: 'consumer',
    body: Type.Object(
      {
        name: Type.String({ minLength: 1, maxLength: 64 }),
        account: Type.Optional(AccountIdSchema),
        scopes: Type.Optional(
          Type.Array(Type.Union([Type.Literal('consumer'), Type.Literal('operator')]), {
            minItems: 1,
            maxItems: 2,
            uniqueItems: true,
          }),
        ),
        expires_in_s: Type.Optional(Type.Integer({ minimum: 60, maximum: 10 * 365 * 24 * 3600 })),
      },
      closed,
    ),
    status: 201,
    response: ApiKeyViewSchema,
    errors: ['auth.forbidden', 'ledger.account_unknown'],
  },
  listKeys: {
    method: 'GET',
    path: '/v1/keys',
    summary: 'Keys of this account',
    tag: 'accounts',
    auth: 'consumer',
    status: 200,
    response: pageOf(ApiKeyViewSchema),
    errors: [],
  },
  revokeKey: {
    method: 'DELETE',
    path: '/v1/keys/{id}',
    summary: 'Revoke a key',
    tag: 'accounts',
    auth: 'consumer',
    params: Type.Object({ id: Type.String({ pattern: '^key_[a-z2-7]{12}$', maxLength: 32 }) }, closed),
    status: 204,
    response: 'none',
    errors: ['request.not_found'],
  },

  getCheckpoint: {
    method: 'GET',
    path: '/v1/log/checkpoint',
    summary: 'Signed head of the log (C2SP tlog-checkpoint)',
    tag: 'log',
    auth: 'none',
    status: 200,
    response: 'text',
    errors: [],
  },
  listLogEntries: {
    method: 'GET',
    path: '/v1/log/entries',
    summary: 'Events of the log, as the canonical JSON that was hashed',
    tag: 'log',
    auth: 'none',
    query: Type.Object(
      {
        from: Type.Optional(count),
        limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, default: 256 })),
      },
      closed,
    ),
    status: 200,
    response: Type.Object({ from: count, entries: Type.Array(Type.String()), size: count }, closed),
    errors: [],
  },
  getInclusionProof: {
    method: 'GET',
    path: '/v1/log/proofs/inclusion',
    summary: 'That an event is in the log of a size',
    tag: 'log',
    auth: 'none',
    query: Type.Object({ index: count, size: count }, closed),
    status: 200,
    response: Type.Object(
      { index: count, size: count, leaf: Type.String(), path: hashes, root: Type.String() },
      closed,
    ),
    errors: ['request.invalid'],
  },
  getConsistencyProof: {
    method: 'GET',
    path: '/v1/log/proofs/consistency',
    summary: 'That the log of one size is a prefix of that of another',
    tag: 'log',
    auth: 'none',
    query: Type.Object({ from: count, to: count }, closed),
    status: 200,
    response: Type.Object({ from: count, to: count, path: hashes }, closed),
    errors: ['request.invalid'],
  },
  getStateHash: {
    method: 'GET',
    path: '/v1/state-hash',
    summary: 'Hash of the live state at a log size; a replay of the log gives the same',
    tag: 'log',
    auth: 'operator',
    status: 200,
    response: Type.Object({ size: count, hash: Sha256Schema }, closed),
    errors: [],
  },
} as const satisfies Record<string, Route>;

export type Routes = typeof routes;
export type RouteName = keyof Routes;
type Part<R, K extends string> = R extends { readonly [P in K]: infer S }
  ? S extends TSchema
    ? Static<S>
    : S extends 'binary'
      ? Uint8Array
      : never
  : undefined;
export type ParamsOf<N extends RouteName> = Part<Routes[N], 'params'>;
export type QueryOf<N extends RouteName> = Part<Routes[N], 'query'>;
export type BodyOf<N extends RouteName> = Part<Routes[N], 'body'>;
export type ResponseOf<N extends RouteName> = Routes[N]['response'] extends TSchema
  ? Static<Routes[N]['response']>
  : unknown;

/** Limits that the server enforces and the SDK respects. */
export const apiLimits = {
  bodyBytes: 1024 * 1024,
  artifactChunkBytes: 4 * 1024 * 1024,
  logChunkBytes: 256 * 1024,
  idempotencyKeyChars: 128,
} as const;
