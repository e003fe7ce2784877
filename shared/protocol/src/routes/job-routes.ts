import Type from 'typebox';
import { jobIdPrefixPattern } from '../ids.ts';
import { JobIdSchema, TaskIdSchema } from '../ids-schema.ts';
import { repeatable } from '../input/distinct.ts';
import { expects } from '../input/wording.ts';
import { AttemptNumberSchema, SignedReceiptSchema } from '../wire/receipt-schema.ts';
import { closed, count, ProblemSchema, page, type Route } from './route.ts';
import {
  AttemptViewSchema,
  JobDetailSchema,
  JobStateSchema,
  JobViewSchema,
  pageOf,
  TaskStateSchema,
  TaskViewSchema,
  WhyViewSchema,
} from './views.ts';

export const maxJobsPerBatch = 256;

const jobParams = Type.Object({ job: JobIdSchema }, closed);
const taskParams = Type.Object({ task: TaskIdSchema }, closed);
const attemptParams = Type.Object({ task: TaskIdSchema, attempt: AttemptNumberSchema }, closed);

export const jobRoutes = {
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
      'job.image_poisoned',
      'job.artifact_missing',
      'ledger.insufficient_funds',
      'artifact.quota_exceeded',
      'idempotency.mismatch',
      'idempotency.required',
      'service.disk_low',
      'service.overloaded',
    ],
  },
  submitJobs: {
    method: 'POST',
    path: '/v1/jobs/batch',
    summary: 'Submit many jobs in one request; each is taken or refused by itself',
    tag: 'jobs',
    auth: 'consumer',
    body: Type.Object(
      {
        jobs: Type.Array(Type.Unknown({ description: 'A job file (see /v1/schemas/job-1.json).' }), {
          minItems: 1,
          maxItems: maxJobsPerBatch,
          ...repeatable('Equal files make jobs of their own.'),
        }),
      },
      closed,
    ),
    status: 200,
    response: Type.Object(
      {
        results: Type.Array(
          Type.Union([
            Type.Object({ job: JobViewSchema }, closed),
            Type.Object({ problem: ProblemSchema }, closed),
          ]),
          { description: 'In the order of the jobs.' },
        ),
      },
      closed,
    ),
    idempotent: true,
    weigh: (body) => (body as { readonly jobs: readonly unknown[] }).jobs.length,
    errors: ['idempotency.mismatch', 'idempotency.required', 'service.overloaded'],
  },
  listJobs: {
    method: 'GET',
    path: '/v1/jobs',
    summary: 'Jobs of this account, newest first',
    tag: 'jobs',
    auth: 'consumer',
    query: Type.Object(
      {
        ...page,
        state: Type.Optional(JobStateSchema),
        id_prefix: Type.Optional(
          Type.String({
            pattern: jobIdPrefixPattern,
            ...expects('the beginning of the id of a job: job_ and 4 characters or more'),
            maxLength: 24,
            description: 'Only jobs whose id begins so: job_ and at least four characters.',
          }),
        ),
        name: Type.Optional(
          Type.String({
            maxLength: 63,
            description:
              'Only jobs of this name. A page looks through 1,000 jobs, so it may be empty and still have a next.',
          }),
        ),
      },
      closed,
    ),
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
  followJob: {
    method: 'GET',
    path: '/v1/jobs/{job}/events',
    summary:
      'Live changes of the job and its tasks (SSE: event `task` with a TaskView, `job` with a JobView and, as id, an index of the log; ends after the job has)',
    tag: 'jobs',
    auth: 'consumer',
    params: jobParams,
    headers: Type.Object({ 'last-event-id': Type.Optional(Type.String({ maxLength: 64 })) }),
    status: 200,
    response: 'event-stream',
    errors: ['request.not_found'],
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
  explainTask: {
    method: 'GET',
    path: '/v1/tasks/{task}/why',
    summary: 'Why a task waits, which nodes each wish excludes, and the nearest change that would help',
    tag: 'tasks',
    auth: 'consumer',
    params: taskParams,
    status: 200,
    response: WhyViewSchema,
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
      'Output of an attempt. Accept: text/event-stream follows it (event `log`: the id is the byte offset after it, the data a JSON string; event `gap`: bytes `from` to `to` were not kept, or, without `to`, what follows comes when the attempt has ended; event `end` when nothing follows); anything else gives the bytes so far, and Log-Gap: FROM-TO where bytes between were not kept',
    tag: 'tasks',
    auth: 'consumer',
    params: attemptParams,
    query: Type.Object({ offset: Type.Optional(count) }, closed),
    headers: Type.Object({
      accept: Type.Optional(Type.String({ maxLength: 1024 })),
      'last-event-id': Type.Optional(Type.String({ maxLength: 64 })),
    }),
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
      {
        offset: count,
        final: Type.Optional(Type.Boolean({ description: 'Nothing follows this chunk.' })),
        gap_from: Type.Optional({
          ...count,
          description:
            'The chunk is of the end of a long log: the bytes between this offset and its beginning were not kept.',
        } as typeof count),
      },
      closed,
    ),
    body: 'binary',
    status: 200,
    response: Type.Object({ offset: count }, closed),
    errors: ['artifact.offset_mismatch', 'attempt.unknown', 'request.too_large'],
  },
} as const satisfies Record<string, Route>;
