import type { FastifyInstance, FastifyReply } from 'fastify';
import * as z from 'zod';
import type { Mesh } from '../../../client/mesh.ts';
import { ClawmeshError, type ErrorCode, messageOf } from '../../../domain/errors.ts';
import type { Logger } from '../../../log/logger.ts';

const STATUS: Partial<Record<ErrorCode, number>> = {
  usage: 400,
  'not-found': 404,
  failed: 409,
  redis: 503,
  timeout: 504,
};

/** Makes a server reply to errors with a one-line problem (`error`) and a remedy (`fix`, or null). */
export function handleErrors(app: FastifyInstance, mesh: Pick<Mesh, 'explain'>, log: Pick<Logger, 'error'>): void {
  app.setErrorHandler((thrown, _request, reply) => sendError(mesh.explain(thrown), log, reply));
}

function sendError(error: unknown, log: Pick<Logger, 'error'>, reply: FastifyReply): FastifyReply {
  if (error instanceof ClawmeshError) {
    const status = STATUS[error.code] ?? 500;
    return reply.code(status).send({ error: error.message, fix: error.remedy ?? null });
  }
  if (error instanceof z.ZodError) {
    const what = error.issues.map(({ path, message }) => `${path.join('.') || 'request'}: ${message}`).join('; ');
    return reply.code(400).send({ error: what, fix: null });
  }
  const status = error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : 500;
  if (status >= 500) log.error({ error: messageOf(error) }, 'dashboard: request failed');
  const what = status >= 500 ? 'something went wrong; see the log' : messageOf(error);
  return reply.code(status).send({ error: what, fix: null });
}
