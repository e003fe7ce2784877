import Type from 'typebox';
import { PlanViewSchema } from '../market-views.ts';
import type { Route } from './route.ts';

/** A plan looks at every node of the network. */
const planWeight = 10;

export const marketRoutes = {
  planJob: {
    method: 'POST',
    path: '/v1/plans',
    summary: 'What a job would cost, where it would run and how long it would wait; nothing is held or spent',
    tag: 'market',
    auth: 'consumer',
    body: Type.Unknown({ description: 'A job file (see /v1/schemas/job-1.json).' }),
    status: 200,
    response: PlanViewSchema,
    weigh: () => planWeight,
    errors: [
      'job.invalid',
      'job.unsupported',
      'job.too_many_tasks',
      'job.artifact_missing',
      'job.image_poisoned',
    ],
  },
} as const satisfies Record<string, Route>;
