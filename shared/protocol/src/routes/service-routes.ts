import Type from 'typebox';
import { NanoSchema } from '../capacity/resources-schema.ts';
import { closed, count, type Route } from './route.ts';

export const serviceRoutes = {
  getHealth: {
    method: 'GET',
    path: '/healthz',
    summary: 'The process is alive',
    tag: 'service',
    auth: 'none',
    status: 200,
    response: Type.Object(
      {
        status: Type.Literal('ok'),
        /** Where it took nothing lately: finished outputs wait on their nodes until it has room. */
        artifact_store: Type.Optional(Type.Union([Type.Literal('full'), Type.Literal('failing')])),
        /** The process failed several times in a row: nothing is placed for now. */
        mode: Type.Optional(Type.Literal('safe')),
        /** Nodes, jobs and accounts that broke the books and are kept away from. */
        isolated: Type.Optional(count),
        /** Of the data folder. `low`: uploads, task logs and new jobs are refused. `full`: nothing is placed. */
        disk: Type.Optional(Type.Union([Type.Literal('low'), Type.Literal('full')])),
      },
      closed,
    ),
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
        default_max_rate_nano: {
          ...NanoSchema,
          description:
            'The most that the ceiling of a task an hour may be for a job without price.max_per_hour; as a rule it is twice what the offers ask.',
        } as typeof NanoSchema,
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
} as const satisfies Record<string, Route>;
