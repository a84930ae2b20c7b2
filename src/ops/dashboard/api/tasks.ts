import * as z from 'zod';
import type { Mesh } from '../../../client/mesh.ts';
import { ClawmeshError } from '../../../domain/errors.ts';
import { TAG } from '../../../domain/names.ts';
import type { Task } from '../../../domain/task.ts';
import { TASK_STATES } from '../../../domain/task-state.ts';
import { type TaskInput, taskInput } from '../../../queue/new-task.ts';
import { steerTasks, TASK_ACTIONS, type TaskAction } from '../../task-actions.ts';
import { CURSOR, readTaskPage } from './task-page.ts';
import { byId, describedBy, duration, limit, listOf, type ZodServer } from './zod-routes.ts';

const INPUT = 'The input with which a task can be enqueued again';
/** Maximum number of tasks per list. */
const MOST_LISTED = 1_000;
/** Maximum number of tasks to enqueue per request. */
const MOST_ENQUEUED = 1_000;
/** Maximum number of tasks to steer per request: cancelling a run can take seconds. */
const MOST_STEERED = 100;

const tag = z
  .string()
  .regex(TAG, 'expected name=value')
  .transform((text): readonly [string, string] => {
    const [, name = '', value = ''] = TAG.exec(text) ?? [];
    return [name, value];
  });
const listQuery = z.strictObject({
  state: listOf(z.enum(TASK_STATES)).optional(),
  pool: z.string().max(64).optional(),
  node: z.string().max(64).optional(),
  /** `name=value`; may be repeated. */
  tag: tag
    .transform((one) => [one])
    .or(z.array(tag))
    .optional(),
  /** Words that the task contains. */
  text: z.string().max(200).optional(),
  /** Ended, or enqueued if it has not ended, at most this long ago. */
  since: duration.optional(),
  /** Likewise, at least this long ago. */
  until: duration.optional(),
  /** Failed tasks without an acknowledgement. */
  unacknowledged: z.stringbool().optional(),
  cursor: z.string().regex(CURSOR, 'expected the value of next of another page').optional(),
  limit: limit(50, MOST_LISTED),
  /** Names of the fields to return; all by default. */
  fields: listOf(z.string()).optional(),
  /** Cut each message to this many characters. */
  excerpt: z.coerce.number().int().min(1).max(10_000).optional(),
});
const logQuery = z.strictObject({ from: z.coerce.number().int().min(0).prefault(0) });
/** Checked in full by the mesh, as on the command line. */
const input = z.record(z.string(), z.unknown());
describedBy.set(input, { name: 'TaskInput', schema: taskInput });
/** Fields of a task; null removes one. */
const changes = z.record(z.string(), z.unknown());
const enqueueBody = z.union([input, z.array(input).min(1).max(MOST_ENQUEUED)], {
  error: `expected a task, or a list of up to ${MOST_ENQUEUED} tasks`,
});
const enqueueHeaders = z.object({ 'idempotency-key': z.string().max(258).optional() });
const steerBody = z.strictObject({ ids: z.array(z.string().min(1).max(200)).min(1).max(MOST_STEERED) });

/** Tasks: lists and filters, one task, its log, and what an operator can do with tasks. */
export function addTaskRoutes(app: ZodServer, mesh: Mesh): void {
  app.get('/tasks', { schema: { querystring: listQuery }, config: { document: 'task list' } }, async ({ query }) => {
    const { state: states = [], pool, node, text, since, until, unacknowledged, cursor } = query;
    if (pool !== undefined) await mesh.pool.check(pool);
    if (node !== undefined) await mesh.task.checkNode(node);
    const now = since === undefined && until === undefined ? 0 : await mesh.server.time();
    const { tasks, next, complete } = await readTaskPage((filter) => mesh.task.list(filter), {
      states,
      pool,
      node,
      tags: query.tag && Object.fromEntries(query.tag),
      text,
      since: since === undefined ? undefined : now - since,
      until: until === undefined ? undefined : now - until,
      unacknowledged,
      cursor,
      limit: query.limit,
    });
    const more = next === null && complete ? 0 : null;
    return { tasks: tasks.map((task) => shown(task, query)), more, next, complete };
  });

  app.get('/tasks/:id', { schema: { params: byId }, config: { document: 'task show' } }, async ({ params }) =>
    mesh.task.existing(params.id),
  );

  app.get('/tasks/:id/input', { schema: { params: byId }, config: { summary: INPUT } }, async ({ params }) =>
    mesh.task.inputOf(params.id),
  );

  app.get(
    '/tasks/:id/logs',
    { schema: { params: byId, querystring: logQuery }, config: { document: 'task logs' } },
    async ({ params, query }) => {
      const lines = await mesh.task.logs(await mesh.task.existing(params.id), query.from);
      return { lines };
    },
  );

  app.post(
    '/tasks',
    { schema: { body: enqueueBody, headers: enqueueHeaders }, config: { document: 'enqueue', success: 201 } },
    async ({ body, headers }, reply) => {
      const tasks = await mesh.task.enqueue(withKey(body as TaskInput | TaskInput[], headers['idempotency-key']));
      return reply.code(201).send({ tasks });
    },
  );

  /** A new task with the same input; the fields of the body replace those of the task, and null removes one. */
  app.post(
    '/tasks/:id/rerun',
    { schema: { params: byId, body: changes.nullish() }, config: { document: 'enqueue', success: 201 } },
    async ({ params, body }, reply) => {
      const merged = { ...(await mesh.task.inputOf(params.id)), ...body };
      const given = Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== null));
      const tasks = await mesh.task.enqueue(given as TaskInput);
      return reply.code(201).send({ tasks });
    },
  );

  for (const action of Object.keys(TASK_ACTIONS) as TaskAction[]) {
    app.post(
      `/tasks/${action}`,
      { schema: { body: steerBody }, config: { document: `task ${action}` } },
      async ({ body }) => steerTasks(mesh, action, body.ids),
    );
    if (action === 'remove') continue;
    app.post(
      `/tasks/:id/${action}`,
      { schema: { params: byId }, config: { document: `task ${action}` } },
      async ({ params: { id } }) => steerOne(mesh, action, id),
    );
  }
  app.delete('/tasks/:id', { schema: { params: byId }, config: { document: 'task remove' } }, async ({ params }) =>
    steerOne(mesh, 'remove', params.id),
  );
}

/**
 * The task with the key of the header, which is the same as its field `key`. Quotes around the key, as in the draft of
 * the header's standard, are not part of it.
 *
 * @throws ClawmeshError `usage` if both name different keys, or the body is a list.
 */
function withKey(body: TaskInput | TaskInput[], header: string | undefined): TaskInput | TaskInput[] {
  if (header === undefined) return body;
  const key = /^"(.*)"$/.exec(header)?.[1] ?? header;
  if (Array.isArray(body)) {
    throw new ClawmeshError('usage', 'Idempotency-Key is for one task, and the body is a list', {
      remedy: 'give each task of the list a field key; nothing was queued',
    });
  }
  if (body.key !== undefined && body.key !== key) {
    throw new ClawmeshError('usage', 'Idempotency-Key and the field key differ', { remedy: 'nothing was queued' });
  }
  return { ...body, key };
}

/** As for several tasks, but an error is the error of the request. */
async function steerOne(mesh: Mesh, action: TaskAction, id: string) {
  return { tasks: [{ id, outcome: await TASK_ACTIONS[action](mesh, id) }], errors: [] };
}

function shown(task: Task, { fields, excerpt }: { fields?: string[] | undefined; excerpt?: number | undefined }) {
  const cut =
    excerpt === undefined
      ? task
      : { ...task, message: [...task.message.slice(0, 2 * excerpt)].slice(0, excerpt).join('') };
  return fields ? Object.fromEntries(Object.entries(cut).filter(([field]) => fields.includes(field))) : cut;
}
