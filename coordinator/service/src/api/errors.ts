import type { Socket } from 'node:net';
import type { ErrorCode } from '@capacloud/protocol/catalogue/errors';
import { errorCatalogue } from '@capacloud/protocol/catalogue/errors';
import { shownJson } from '@capacloud/protocol/input/plain-text';
import type { Refusal } from '@capacloud/protocol/result';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { problemDetails, sendProblem } from './problem.ts';

/** A refusal that has to pass through Fastify as an error. */
export class RefusalError extends Error {
  readonly refusal: Refusal;
  constructor(refusal: Refusal) {
    super(refusal.message);
    this.refusal = refusal;
  }
}

/** Fastify's and Node's own errors that callers can cause → codes of the catalogue. */
const codes: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: [
    'request.unsupported_media_type',
    'This call does not take a body of that content type.',
  ],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: [
    'request.malformed',
    'The body does not have the length that the header states.',
  ],
  FST_ERR_CTP_BODY_TOO_LARGE: ['request.too_large', 'The body is larger than this call allows.'],
  FST_ERR_CTP_EMPTY_JSON_BODY: ['request.malformed', 'The body is empty.'],
  FST_ERR_CTP_INVALID_JSON_BODY: ['request.malformed', 'The body is not JSON.'],
  FST_ERR_BAD_URL: ['request.malformed', 'The path of the URL is not well-formed.'],
  FST_ERR_MAX_PARAM_LENGTH: ['request.invalid', 'A part of the path is too long.'],
  FST_ERR_REOPENED_CLOSE_SERVER: ['service.draining', 'The coordinator is shutting down.'],
  ERR_HTTP_REQUEST_TIMEOUT: ['request.timeout', 'The request did not arrive in time.'],
  HPE_HEADER_OVERFLOW: ['request.too_large', 'The headers are too large.'],
  ECONNRESET: ['request.timeout', 'The request broke off.'],
};

export function refusalOf(error: unknown): Refusal | undefined {
  if (error instanceof RefusalError) return error.refusal;
  const code = codeOf(error);
  const known = code === undefined ? undefined : codes[code];
  if (known !== undefined) return { code: known[0], message: known[1] };
  // What the JSON parser throws carries a status and no code of Fastify's.
  if (error instanceof SyntaxError)
    return { code: 'request.malformed', message: `The body is not JSON that we take: ${error.message}.` };
  return undefined;
}

export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

export function handleError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const refusal = refusalOf(error);
  if (refusal !== undefined) return sendProblem(reply, refusal);
  request.log.error({ err: error, requestId: request.id, route: request.routeOptions.url }, 'request failed');
  return sendProblem(reply, {
    code: 'service.internal',
    message: 'The coordinator met an error of its own.',
  });
}

/** For what does not even become a request: malformed HTTP, headers that are too large or too slow. */
export function handleSocketError(error: Error & { readonly code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const refusal = refusalOf(error) ?? { code: 'request.malformed' as const, message: 'This is not HTTP.' };
  const { http, title } = errorCatalogue[refusal.code];
  const body = shownJson(problemDetails(refusal, 'none'));
  socket.end(
    `HTTP/1.1 ${http} ${title}\r\ncontent-type: application/problem+json; charset=utf-8\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
}
