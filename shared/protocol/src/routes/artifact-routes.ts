import Type from 'typebox';
import { JobIdSchema, Sha256Schema } from '../ids-schema.ts';
import { attemptHeaderName } from '../wire/attempt-name.ts';
import { closed, count, page, type Route } from './route.ts';
import { ArtifactViewSchema, OwnedArtifactViewSchema, pageOf } from './views.ts';

/** An agent says whose outputs it brings; what belongs to no attempt comes without it, and from older agents everything does. */
const attemptHeader = Type.Object({ [attemptHeaderName]: Type.Optional(Type.String({ maxLength: 64 })) });

const artifactParams = Type.Object({ sha256: Sha256Schema }, closed);

export const artifactRoutes = {
  listArtifacts: {
    method: 'GET',
    path: '/v1/artifacts',
    summary: 'What this account has in the artifact store, by hash, and how much of its quota that is',
    tag: 'artifacts',
    auth: 'consumer',
    query: Type.Object(page, closed),
    status: 200,
    response: Type.Object(
      { ...pageOf(OwnedArtifactViewSchema).properties, used_bytes: count, quota_bytes: count },
      closed,
    ),
    errors: [],
  },
  createArtifact: {
    method: 'POST',
    path: '/v1/artifacts',
    summary: 'Announce an upload, or learn how far it has come',
    tag: 'artifacts',
    auth: 'consumer-or-agent',
    headers: attemptHeader,
    body: Type.Object({ sha256: Sha256Schema, size_bytes: count }, closed),
    status: 200,
    response: ArtifactViewSchema,
    errors: [
      'artifact.quota_exceeded',
      'artifact.consumer_full',
      'artifact.store_full',
      'artifact.store_failed',
      'attempt.unknown',
      'request.too_large',
      'request.conflict',
    ],
  },
  appendArtifact: {
    method: 'PATCH',
    path: '/v1/artifacts/{sha256}',
    summary: 'Append a chunk at Upload-Offset; the last one completes and checks the hash',
    tag: 'artifacts',
    auth: 'consumer-or-agent',
    params: artifactParams,
    headers: Type.Object({
      'upload-offset': Type.Integer({ minimum: 0 }),
      ...attemptHeader.properties,
    }),
    body: 'binary',
    status: 200,
    response: ArtifactViewSchema,
    errors: [
      'artifact.offset_mismatch',
      'artifact.hash_mismatch',
      'artifact.quota_exceeded',
      'artifact.consumer_full',
      'artifact.store_full',
      'artifact.store_failed',
      'attempt.unknown',
      'request.too_large',
    ],
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
    headers: Type.Object({
      range: Type.Optional(Type.String({ maxLength: 128 })),
      'if-range': Type.Optional(Type.String({ maxLength: 128 })),
    }),
    status: 200,
    response: 'binary',
    errors: ['request.not_found', 'artifact.incomplete', 'request.range_invalid'],
  },
  deleteJobArtifacts: {
    method: 'DELETE',
    path: '/v1/jobs/{job}/artifacts',
    summary: 'Give up what an ended job has stored, with its logs and its file, so that it counts no more',
    tag: 'artifacts',
    auth: 'consumer',
    params: Type.Object({ job: JobIdSchema }, closed),
    status: 200,
    response: Type.Object({ artifacts: count, freed_bytes: count }, closed),
    errors: ['request.not_found', 'request.conflict'],
  },
  deleteArtifact: {
    method: 'DELETE',
    path: '/v1/artifacts/{sha256}',
    summary: 'Give up an artifact of this account, or an upload under way; refused while a live job uses it',
    tag: 'artifacts',
    auth: 'consumer',
    params: artifactParams,
    status: 204,
    response: 'none',
    errors: ['request.not_found', 'request.conflict'],
  },
} as const satisfies Record<string, Route>;
