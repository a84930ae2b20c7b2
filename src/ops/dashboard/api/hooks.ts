import type { FastifyInstance, FastifyReply } from 'fastify';
import type { Mesh } from '../../../client/mesh.ts';
import type { Hook } from '../../../config/hook-settings.ts';
import type { Clock } from '../../../domain/clock.ts';
import { parseChannelDestination } from '../../../domain/delivery.ts';
import { fillTemplate } from '../../../domain/hook-template.ts';
import { asTyped } from '../../../domain/not-found.ts';
import { utf8Problem } from '../../../domain/text.ts';
import { parseNewTask } from '../../../queue/new-task.ts';
import { checkSignature } from '../../http/signature.ts';

/** Largest request, bytes. */
const MOST_BYTES = 256 * 1_024;
/** Requests per minute and address. */
const MOST_CALLS = 300;

declare module 'fastify' {
  interface FastifyRequest {
    /** The hook that the request is for. */
    hook?: { readonly name: string; readonly settings: Hook } | undefined;
  }
}

/**
 * `POST /hooks/:name`: another service queues the task of a hook. The order counts: an unknown hook is refused before
 * the body is read, and a wrong signature before the body is parsed.
 */
export async function addHookRoute(app: FastifyInstance, mesh: Mesh, clock: Clock): Promise<void> {
  const { hooks } = mesh.config;
  await app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
    scope.decorateRequest('hook', undefined);
    // Not earlier, since the limit of the rate comes before; and not later, since then the body is read.
    scope.addHook<{ Params: { name: string } }>('preParsing', async (request, reply) => {
      const { name } = request.params;
      const settings = Object.hasOwn(hooks, name) ? hooks[name] : undefined;
      if (!settings) return refuse(reply, 404, `no hook ${asTyped(name)}`, 'add it to hooks in the config');
      request.hook = { name, settings };
      request.user = { name: `hook ${name}`, role: 'operator' };
    });
    scope.post(
      '/hooks/:name',
      {
        bodyLimit: MOST_BYTES,
        config: {
          signed: true,
          success: 202,
          summary: 'Queues the task of a hook (webhooks)',
          rateLimit: { max: MOST_CALLS, timeWindow: '1 minute' },
        },
      },
      async (request, reply) => {
        const { name, settings } = request.hook as NonNullable<typeof request.hook>;
        const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
        const checked = checkSignature(request.headers, body, { secret: settings.secret, now: clock.now() });
        if ('problem' in checked) return refuse(reply, 401, checked.problem);
        const parsed = parseBody(body);
        if ('problem' in parsed) return refuse(reply, 400, parsed.problem);
        const message = fillTemplate(settings.task.message, parsed.value);
        if (typeof message !== 'string') {
          const what = `the body has no text, number or boolean ${message.missing.join(', ')}`;
          return refuse(reply, 422, what, `send it, or change hooks.${name}.task.message`);
        }
        const { deliver, ...task } = settings.task;
        const fields = {
          ...task,
          ...(deliver !== undefined && { deliver: parseChannelDestination(deliver) }),
          tags: { hook: name },
          // The same request again is the same task, also if another party than its sender repeats it.
          key: `hook:${name}:${checked.signature}`,
        };
        const valid = parseNewTask({ ...fields, message }, { attempts: mesh.config.queue.attempts });
        if ('problems' in valid) return refuse(reply, 422, valid.problems.join('; '), 'nothing was queued');
        const [queued] = await mesh.task.enqueueParsed([valid]);
        return reply.code(202).send({ id: queued?.id, duplicate: queued?.duplicate });
      },
    );
  });
}

function refuse(reply: FastifyReply, status: number, error: string, fix: string | null = null): FastifyReply {
  return reply.code(status).send({ error, fix });
}

function parseBody(body: Buffer): { readonly value: unknown } | { readonly problem: string } {
  const problem = utf8Problem(body);
  if (problem !== undefined) return { problem: `the request ${problem}` };
  try {
    return { value: JSON.parse(body.toString('utf8')) };
  } catch {
    return { problem: 'the request is not JSON' };
  }
}
