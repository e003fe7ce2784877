import type { ProblemDetails } from '@capacloud/protocol/catalogue/errors';
import { errorCatalogue } from '@capacloud/protocol/catalogue/errors';
import { shownJson } from '@capacloud/protocol/input/plain-text';
import type { Refusal } from '@capacloud/protocol/result';
import type { FastifyReply } from 'fastify';

/** Seconds that a refused caller waits before the same call, where nothing more precise is known. */
const retryAfterS = 1;

/** A refusal as the body of an `application/problem+json` answer (RFC 9457). */
export function problemDetails(refusal: Refusal, requestId: string): ProblemDetails {
  const entry = errorCatalogue[refusal.code];
  return {
    type: `urn:capacloud:problem:${refusal.code}`,
    title: entry.title,
    status: entry.http,
    code: refusal.code,
    detail: refusal.message,
    hint: refusal.hint ?? entry.hint,
    retryable: entry.retryable,
    request_id: requestId,
    ...(refusal.problems === undefined ? {} : { errors: refusal.problems }),
  };
}

export function sendProblem(reply: FastifyReply, refusal: Refusal): FastifyReply {
  const entry = errorCatalogue[refusal.code];
  // For the one code that tells a place; programs read it where it is easier for them.
  const offset = reply.getHeader('upload-offset');
  const details = problemDetails(refusal, reply.request.id);
  const body = offset === undefined ? details : { ...details, offset: Number(offset) };
  if (entry.http === 401) reply.header('www-authenticate', 'Bearer realm="capacloud"');
  if (entry.retryable && !reply.hasHeader('retry-after')) reply.header('retry-after', `${retryAfterS}`);
  return reply
    .code(entry.http)
    .header('content-type', 'application/problem+json; charset=utf-8')
    .header('request-id', reply.request.id)
    .send(shownJson(body));
}
