import { type ErrorCode, errorCatalogue } from '@capacloud/protocol/catalogue/errors';
import { JobFileSchema } from '@capacloud/protocol/job/job-file';
import { apiLimits, type Route, routes } from '@capacloud/protocol/routes/routes';
import type { TSchema } from 'typebox';

type Json = Readonly<Record<string, unknown>>;

/** Codes that a route may give besides those it names: by what every request passes. */
function everyCode(route: Route): readonly ErrorCode[] {
  const codes = new Set<ErrorCode>(route.errors);
  codes.add('request.rate_limited').add('service.internal');
  if (route.path !== '/healthz') codes.add('service.draining');
  if (route.auth !== 'none') codes.add('auth.missing').add('auth.invalid').add('auth.forbidden');
  if (route.params !== undefined || route.query !== undefined || route.body !== undefined)
    codes.add('request.invalid');
  if (route.body !== undefined)
    codes.add('request.malformed').add('request.unsupported_media_type').add('request.too_large');
  return [...codes].sort();
}

function parameters(route: Route): readonly Json[] {
  const from = (schema: TSchema | undefined, where: 'path' | 'query' | 'header'): Json[] => {
    const { properties = {}, required = [] } = (schema ?? {}) as {
      properties?: Readonly<Record<string, Json>>;
      required?: readonly string[];
    };
    return Object.entries(properties)
      .filter(([name]) => name !== 'accept')
      .map(([name, property]) => ({
        name,
        in: where,
        required: where === 'path' || required.includes(name),
        ...(property.description === undefined ? {} : { description: property.description }),
        schema: property,
      }));
  };
  const key: Json = {
    name: 'idempotency-key',
    in: 'header',
    required: true,
    description:
      'Any unique text. The same key and body do the same thing once; the first answer is repeated.',
    schema: { type: 'string', minLength: 1, maxLength: apiLimits.idempotencyKeyChars },
  };
  return [
    ...from(route.params, 'path'),
    ...from(route.query, 'query'),
    ...from(route.headers, 'header'),
    ...(route.idempotent === true ? [key] : []),
  ];
}

function requestBody(name: string, route: Route): Json | undefined {
  if (route.body === undefined) return undefined;
  if (route.body === 'binary') return { required: true, content: { 'application/octet-stream': {} } };
  const schema = name === 'submitJob' ? { $ref: '#/components/schemas/JobFile' } : route.body;
  return { required: true, content: { 'application/json': { schema } } };
}

function success(name: string, route: Route): Json {
  const { response } = route;
  if (response === 'none') return { description: 'Done' };
  if (typeof response !== 'string')
    return { description: 'Done', content: { 'application/json': { schema: response } } };
  const types =
    response === 'event-stream'
      ? ['text/event-stream', ...(name === 'followLog' ? ['text/plain'] : [])]
      : [response === 'text' ? 'text/plain' : 'application/octet-stream'];
  return { description: 'Done', content: Object.fromEntries(types.map((type) => [type, {}])) };
}

function responses(name: string, route: Route): Json {
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of everyCode(route)) {
    const { http } = errorCatalogue[code];
    byStatus.set(http, [...(byStatus.get(http) ?? []), code]);
  }
  const refusals = [...byStatus].map(([status, codes]) => [
    `${status}`,
    {
      description: codes.map((code) => `\`${code}\`: ${errorCatalogue[code].title}`).join('; '),
      content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
    },
  ]);
  const partial = name === 'getArtifact' ? { 206: success(name, route) } : {};
  return { [route.status]: success(name, route), ...partial, ...Object.fromEntries(refusals) };
}

function security(route: Route): readonly Json[] {
  switch (route.auth) {
    case 'none':
      return [];
    case 'consumer':
    case 'operator':
      return [{ apiKey: [route.auth] }];
    case 'agent':
      return [{ session: [] }];
    case 'consumer-or-agent':
      return [{ apiKey: ['consumer'] }, { session: [] }];
  }
}

const text = { type: 'string' } as const;
const problemSchema = {
  type: 'object',
  description: 'RFC 9457. Programs switch on `code`, which never changes its meaning.',
  required: ['type', 'title', 'status', 'code', 'detail', 'hint', 'retryable', 'request_id'],
  properties: {
    type: text,
    title: text,
    status: { type: 'integer' },
    code: { type: 'string', enum: Object.keys(errorCatalogue).sort() },
    detail: text,
    hint: text,
    retryable: {
      type: 'boolean',
      description: 'Whether the same request can succeed later without any change.',
    },
    request_id: text,
    offset: {
      type: 'integer',
      description: 'With artifact.offset_mismatch: where to go on. Also the header Upload-Offset.',
    },
    errors: {
      type: 'array',
      items: {
        type: 'object',
        required: ['pointer', 'message'],
        properties: { pointer: { type: 'string', description: 'JSON Pointer (RFC 6901).' }, message: text },
      },
    },
  },
} as const;

/** The OpenAPI 3.1 document of the routes. */
export function openApiDocument(version: string): Json {
  const paths: Record<string, Record<string, Json>> = {};
  for (const [name, route] of Object.entries(routes) as [string, Route][]) {
    const body = requestBody(name, route);
    const item = paths[route.path] ?? {};
    item[route.method.toLowerCase()] = {
      operationId: name,
      summary: route.summary,
      tags: [route.tag],
      security: security(route),
      parameters: parameters(route),
      ...(body === undefined ? {} : { requestBody: body }),
      responses: responses(name, route),
    };
    paths[route.path] = item;
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'CapaCloud coordinator',
      version,
      description:
        'Times are RFC 3339 in UTC; amounts are decimal strings of nano-CAPA. Refusals are application/problem+json.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    paths,
    components: {
      securitySchemes: {
        apiKey: { type: 'http', scheme: 'bearer', description: 'An API key (cck_…).' },
        session: { type: 'http', scheme: 'bearer', description: "The token of an agent's open session." },
      },
      schemas: { Problem: problemSchema, JobFile: JobFileSchema },
    },
  };
}
