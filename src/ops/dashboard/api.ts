import type { FastifyInstance } from 'fastify';
import * as z from 'zod';
import type { Mesh } from '../../client/mesh.ts';
import { TASK_STATES } from '../../domain/task-state.ts';
import type { TaskInput } from '../../queue/new-task.ts';

const byId = z.object({ id: z.string().max(128) });
const byPool = z.object({ pool: z.string().max(64) });
const optional = z
  .string()
  .max(128)
  .optional()
  .transform((text) => text || undefined);
const taskQuery = z.object({
  state: z.enum(TASK_STATES).or(z.literal('')).optional(),
  pool: optional,
  node: optional,
  limit: z.coerce.number().int().min(1).max(500).prefault(100),
});
const handoverQuery = z.object({ limit: z.coerce.number().int().min(1).max(500).prefault(50) });
const logQuery = z.object({ from: z.coerce.number().int().min(0).prefault(0) });

/** The data that the page reads besides the live view. */
export function addReadRoutes(app: FastifyInstance, mesh: Mesh): void {
  app.get('/api/tasks', async (request) => {
    const { state, ...filter } = taskQuery.parse(request.query);
    return { tasks: await mesh.task.list({ ...filter, state: state || undefined }) };
  });
  app.get('/api/tasks/:id', async (request) => mesh.task.existing(byId.parse(request.params).id));
  app.get('/api/tasks/:id/logs', async (request) => {
    const task = await mesh.task.existing(byId.parse(request.params).id);
    const { from } = logQuery.parse(request.query);
    return { from, lines: await mesh.task.logs(task, from) };
  });
  app.get('/api/handovers', async (request) => ({
    handovers: await mesh.handovers(handoverQuery.parse(request.query)),
  }));
}

/** The actions of the page; each does the same as the command of that name. */
export function addSteeringRoutes(app: FastifyInstance, mesh: Mesh): void {
  app.post('/api/tasks', async (request, reply) => {
    const tasks = await mesh.task.enqueue(request.body as TaskInput);
    return reply.code(201).send({ tasks });
  });
  app.post('/api/tasks/:id/cancel', async (request) => {
    const { id } = byId.parse(request.params);
    return { id, state: await mesh.task.cancel(id, 'cancelled on the dashboard') };
  });
  app.post('/api/tasks/:id/retry', async (request) => {
    const { id } = byId.parse(request.params);
    await mesh.task.retry(id);
    return { id, state: 'waiting' };
  });
  for (const wanted of ['drain', 'resume'] as const) {
    app.post(`/api/nodes/:id/${wanted}`, async (request) => {
      const { id } = byId.parse(request.params);
      await mesh.node[wanted](id);
      return { id, wanted };
    });
  }
  app.post('/api/nodes/:id/evict', async (request) => {
    const { id } = byId.parse(request.params);
    const requeued = await mesh.node.evict(id);
    return { id, wanted: 'evict', requeued: requeued.map(({ taskId }) => taskId) };
  });
  for (const [action, paused] of [
    ['pause', true],
    ['resume', false],
  ] as const) {
    app.post(`/api/pools/:pool/${action}`, async (request) => {
      const { pool } = byPool.parse(request.params);
      await mesh.pool[action](pool);
      return { pool, paused };
    });
  }
}
