import Type from 'typebox';
import {
  BookViewSchema,
  BucketSchema,
  DeviceClassSchema,
  PlanViewSchema,
  PriceBucketViewSchema,
  TradeViewSchema,
} from './market-views.ts';
import { closed, page, type Route } from './route.ts';
import { pageOf } from './views.ts';

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
  getBook: {
    method: 'GET',
    path: '/v1/market/book',
    summary: 'What is asked by class of device, and what is free; some seconds old at most',
    tag: 'market',
    auth: 'none',
    query: Type.Object({ class: Type.Optional(DeviceClassSchema) }, closed),
    status: 200,
    response: BookViewSchema,
    errors: [],
  },
  listTrades: {
    method: 'GET',
    path: '/v1/market/trades',
    summary: 'Attempts that have ended, newest first: where, at what price, and what was paid',
    tag: 'market',
    auth: 'none',
    query: Type.Object(page, closed),
    status: 200,
    response: pageOf(TradeViewSchema),
    errors: [],
  },
  listPrices: {
    method: 'GET',
    path: '/v1/market/prices',
    summary: 'Prices that were paid by class of device, by hour or day, newest first',
    tag: 'market',
    auth: 'none',
    query: Type.Object(
      { ...page, class: Type.Optional(DeviceClassSchema), bucket: Type.Optional(BucketSchema) },
      closed,
    ),
    status: 200,
    response: pageOf(PriceBucketViewSchema),
    errors: [],
  },
} as const satisfies Record<string, Route>;
