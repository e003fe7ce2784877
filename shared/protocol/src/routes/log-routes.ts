import Type from 'typebox';
import { Sha256Schema } from '../ids-schema.ts';
import { closed, count, type Route } from './route.ts';

const hashes = Type.Array(Type.String({ pattern: '^[0-9a-f]{64}$' }));

export const logRoutes = {
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
