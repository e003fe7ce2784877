import type { Static, TSchema } from 'typebox';
import { accountRoutes } from './account-routes.ts';
import { artifactRoutes } from './artifact-routes.ts';
import { jobRoutes } from './job-routes.ts';
import { logRoutes } from './log-routes.ts';
import { marketRoutes } from './market-routes.ts';
import { nodeRoutes } from './node-routes.ts';
import { serviceRoutes } from './service-routes.ts';

export type { Route } from './route.ts';

/**
 * The REST API. This one definition drives the server's validation, the SDK's types and the OpenAPI document,
 * so they cannot drift apart.
 */
export const routes = {
  ...serviceRoutes,
  ...jobRoutes,
  ...artifactRoutes,
  ...nodeRoutes,
  ...accountRoutes,
  ...marketRoutes,
  ...logRoutes,
} as const;

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
