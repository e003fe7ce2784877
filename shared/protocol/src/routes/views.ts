import Type, { type Static } from 'typebox';
import { type DimensionView, shownRows } from '../capacity/dimensions.ts';
import { OfferSchema, ResourcesSchema } from '../capacity/resources-schema.ts';
import { type Obstacle, obstacles } from '../catalogue/obstacles.ts';
import { type TaskReason, taskReasons } from '../catalogue/reasons.ts';
import { AccountIdSchema, JobIdSchema, NodeIdSchema, Sha256Schema, TaskIdSchema } from '../ids-schema.ts';
import { OutputLinkSchema, SkippedOutputsSchema } from '../wire/outputs-schema.ts';
import { AttemptNumberSchema, LogGapSchema, OutputFileSchema } from '../wire/receipt-schema.ts';
import { jobStates, taskStates } from './states.ts';

/** What the REST API shows. Times are RFC 3339 in UTC, amounts decimal strings of nano-CAPA. */

const closed = { additionalProperties: false } as const;
const count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
export const TimeSchema = Type.String({ format: 'date-time', maxLength: 32 });
const Amount = Type.String({
  pattern: '^-?(0|[1-9][0-9]*)$',
  maxLength: 40,
  description: 'nano-CAPA (10^-9 CAPA), decimal.',
});
const Reason = Type.Unsafe<TaskReason>(Type.String({ enum: Object.keys(taskReasons) }));

export function literals<const T extends readonly string[]>(values: T) {
  return Type.Unsafe<T[number]>(Type.String({ enum: [...values] }));
}

export const TaskStateSchema = literals(taskStates);
export const JobStateSchema = literals(jobStates);

export const JobViewSchema = Type.Object(
  {
    id: JobIdSchema,
    name: Type.Optional(Type.String()),
    account: AccountIdSchema,
    state: JobStateSchema,
    image: Type.String(),
    resources: ResourcesSchema,
    tasks: Type.Object(
      {
        total: count,
        queued: count,
        active: count,
        succeeded: count,
        failed: count,
        cancelled: count,
        expired: count,
      },
      closed,
    ),
    submitted_at: TimeSchema,
    ended_at: Type.Optional(TimeSchema),
    /** Held now, and paid so far, over all tasks. */
    held_nano: Amount,
    charged_nano: Amount,
    max_rate_nano: Amount,
    spec_hash: Sha256Schema,
  },
  closed,
);
export type JobView = Static<typeof JobViewSchema>;

export const TaskViewSchema = Type.Object(
  {
    id: TaskIdSchema,
    job: JobIdSchema,
    index: count,
    state: TaskStateSchema,
    reason: Reason,
    /** The reason as a sentence, with particulars where there are any. */
    message: Type.String(),
    hint: Type.String(),
    /** Whether the platform will try again by itself. */
    will_retry: Type.Boolean(),
    attempts: count,
    node: Type.Optional(NodeIdSchema),
    exit_code: Type.Optional(Type.Integer()),
    charged_nano: Amount,
    pull: Type.Optional(Type.Object({ done_bytes: count, total_bytes: count }, closed)),
    outputs: Type.Array(OutputFileSchema),
    links: Type.Optional(Type.Array(OutputLinkSchema)),
    skipped: Type.Optional(SkippedOutputsSchema),
    outputs_attempt: Type.Optional(
      Type.Integer({
        minimum: 1,
        description: 'The task did not succeed: the outputs are what this attempt left.',
      }),
    ),
    updated_at: TimeSchema,
  },
  closed,
);
export type TaskView = Static<typeof TaskViewSchema>;

/** Why a task waits: how many nodes each obstacle keeps it from, and which one change of the job file would help. */
export const WhyViewSchema = Type.Object(
  {
    task: TaskIdSchema,
    state: TaskStateSchema,
    reason: Reason,
    message: Type.String(),
    hint: Type.String(),
    nodes: Type.Object(
      {
        total: count,
        suitable: Type.Integer({ minimum: 0, description: 'Would run the task once they are free.' }),
        free: Type.Integer({ minimum: 0, description: 'Would run it now.' }),
      },
      closed,
    ),
    obstacles: Type.Array(
      Type.Object(
        {
          code: literals(obstacles as [Obstacle, ...Obstacle[]]),
          message: Type.String(),
          nodes: count,
          alone: Type.Integer({
            minimum: 0,
            description: 'Nodes that nothing else is in the way of, but what passes.',
          }),
          examples: Type.Array(NodeIdSchema, { maxItems: 10 }),
        },
        closed,
      ),
      { description: 'Empty unless the task is queued.' },
    ),
    changes: Type.Array(
      Type.Object(
        {
          pointer: Type.String({ description: 'JSON pointer into the job file.' }),
          to: Type.Optional(
            Type.Union([Type.String(), Type.Number(), Type.Array(Type.String())], {
              description: 'Value for the job file; absent where the wish has to go.',
            }),
          ),
          nodes: count,
          free: count,
          message: Type.String(),
        },
        closed,
      ),
      { description: 'The one that opens the most nodes that are free now comes first.' },
    ),
  },
  closed,
);
export type WhyView = Static<typeof WhyViewSchema>;

export const AttemptViewSchema = Type.Object(
  {
    task: TaskIdSchema,
    attempt: AttemptNumberSchema,
    node: NodeIdSchema,
    provider: AccountIdSchema,
    state: literals(['assigned', 'pulling', 'starting', 'running', 'uploading', 'ended'] as const),
    reason: Reason,
    message: Type.String(),
    hint: Type.String(),
    exit_code: Type.Optional(Type.Integer()),
    receipt: Type.Optional(Sha256Schema),
    log: Type.Optional(
      Type.Object(
        {
          size_bytes: count,
          gap: Type.Optional({
            ...LogGapSchema,
            description: 'Bytes from offset `from` up to `to` were not kept.',
          } as typeof LogGapSchema),
        },
        closed,
      ),
    ),
    rate_nano: Amount,
    charged_nano: Amount,
    metered_ms: Type.Optional(count),
    assigned_at: TimeSchema,
    running_at: Type.Optional(TimeSchema),
    ended_at: Type.Optional(TimeSchema),
  },
  closed,
);
export type AttemptView = Static<typeof AttemptViewSchema>;

const usedAmounts = Object.fromEntries(shownRows.map(({ view }) => [view, count])) as Readonly<
  Record<DimensionView, typeof count>
>;

export const NodeViewSchema = Type.Object(
  {
    id: NodeIdSchema,
    provider: AccountIdSchema,
    status: literals(['joining', 'ready', 'cordoned', 'draining', 'unknown', 'lost', 'gone'] as const),
    cause: Type.String(),
    accepting: Type.Boolean(),
    offer: OfferSchema,
    used: Type.Object({ ...usedAmounts, devices: count }, closed),
    joined_at: TimeSchema,
  },
  closed,
);
export type NodeView = Static<typeof NodeViewSchema>;

export const AccountViewSchema = Type.Object(
  {
    id: Type.String({ description: 'An account, or holds, fees, emission, penalties, custody.' }),
    available_nano: Amount,
    held_nano: Amount,
  },
  closed,
);
export type AccountView = Static<typeof AccountViewSchema>;

export const LedgerEntryViewSchema = Type.Object(
  {
    /** Index of the event in the log that made it. */
    event: count,
    at: TimeSchema,
    kind: literals(['grant', 'hold', 'capture', 'void', 'expire'] as const),
    account: Type.String(),
    delta_nano: Amount,
    job: Type.Optional(JobIdSchema),
    task: Type.Optional(TaskIdSchema),
  },
  closed,
);
export type LedgerEntryView = Static<typeof LedgerEntryViewSchema>;

export const ArtifactViewSchema = Type.Object(
  { sha256: Sha256Schema, size_bytes: count, offset: count, complete: Type.Boolean() },
  closed,
);
export type ArtifactView = Static<typeof ArtifactViewSchema>;

/** What an account refers to; for which of its jobs, or for none where it was uploaded for itself alone. */
export const OwnedArtifactViewSchema = Type.Object(
  { sha256: Sha256Schema, size_bytes: count, created_at: TimeSchema, jobs: Type.Array(JobIdSchema) },
  closed,
);
export type OwnedArtifactView = Static<typeof OwnedArtifactViewSchema>;

export const ApiKeyViewSchema = Type.Object(
  {
    id: Type.String(),
    account: AccountIdSchema,
    name: Type.String(),
    scopes: Type.Array(literals(['consumer', 'operator'] as const)),
    created_at: TimeSchema,
    expires_at: Type.Optional(TimeSchema),
    /** Only in the answer to its creation, and never again. */
    secret: Type.Optional(Type.String()),
  },
  closed,
);
export type ApiKeyView = Static<typeof ApiKeyViewSchema>;

/** A page: `next` is the cursor of the following one, absent on the last. */
export function pageOf<T extends Parameters<typeof Type.Array>[0]>(item: T) {
  return Type.Object(
    { items: Type.Array(item), next: Type.Optional(Type.String({ maxLength: 256 })) },
    closed,
  );
}

export const JobDetailSchema = Type.Object(
  {
    ...JobViewSchema.properties,
    spec: Type.Unknown({ description: 'The job as it was accepted, defaults filled in.' }),
  },
  closed,
);
