/** The forms of answers. */
import type { ServerResponse } from 'node:http';
import { ChorusError, type ErrorCode, reasonOf } from '#kit/errors.ts';

/** An answer before it is sent. */
export type Answer = {
  readonly status: number;
  readonly type: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
};

/** HTTP status of errors that are not about the request as such: the configuration (422), or Chorus (500). */
const statusOfCode: Partial<Record<ErrorCode, number>> = {
  HTTP_BODY: 400,
  NAME_INVALID: 400,
  HTTP_FORBIDDEN: 403,
  HTTP_NOT_FOUND: 404,
  ROUTES_NONE: 404,
  LAYER4_NONE: 404,
  DRAIN_NOTHING: 409,
  BACKEND_UNKNOWN: 404,
  HTTP_METHOD: 405,
  BACKEND_AMBIGUOUS: 409,
  CACHE_OFF: 409,
  HTTP_TOO_LARGE: 413,
  WORKER_DIED: 500,
  WORKER_SILENT: 500,
  INTERNAL: 500,
  SHUTTING_DOWN: 503,
};

/** A value as JSON. */
export function json(value: unknown, status = 200): Answer {
  return { status, type: 'application/json; charset=utf-8', body: `${JSON.stringify(value, null, 2)}\n` };
}

/** An error of the table as JSON: code, message, remedy, and the details that the message is made of. */
export function failure(thrown: unknown, headers: Readonly<Record<string, string>> = {}): Answer {
  const error =
    thrown instanceof ChorusError ? thrown : new ChorusError('INTERNAL', { reason: reasonOf(thrown) });
  const { code, message, remedy, details } = error;
  return { ...json({ code, message, remedy, details }, statusOfCode[code] ?? 422), headers };
}

/** Sends an answer. Node leaves the body out where the method is HEAD. */
export function send(response: ServerResponse, answer: Answer): void {
  const body = Buffer.from(answer.body);
  response.writeHead(answer.status, {
    'content-type': answer.type,
    'content-length': body.length,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...answer.headers,
  });
  response.end(body);
}
