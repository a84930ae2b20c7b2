import * as z from 'zod';
import type { Mesh } from '../../../client/mesh.ts';
import { ClawmeshError } from '../../../domain/errors.ts';
import { parseNewTask } from '../../../queue/new-task.ts';
import { parseTimes } from '../../../queue/schedule-times.ts';
import { byName, duration, type ZodServer } from './zod-routes.ts';

const addBody = z.strictObject({
  name: z.string().max(64),
  cron: z.string().max(200).optional(),
  /** Time zone of the cron line; UTC by default. */
  timezone: z.string().max(100).optional(),
  every: duration.optional(),
  /** Checked in full by the mesh, as on the command line. */
  task: z.record(z.string(), z.unknown()),
});

/** Schedules, which queue tasks repeatedly. */
export function addScheduleRoutes(app: ZodServer, mesh: Mesh): void {
  app.get('/schedules', { config: { document: 'schedule list' } }, async () => ({
    schedules: await (await mesh.schedules()).list(),
  }));
  app.get('/schedules/:name', { schema: { params: byName }, config: { summary: 'One schedule' } }, async ({ params }) =>
    (await mesh.schedules()).find(params.name),
  );
  app.post(
    '/schedules',
    { schema: { body: addBody }, config: { document: 'schedule add', success: 201 } },
    async ({ body: { name, cron, timezone, every, task } }, reply) => {
      const zone = timezone ?? (cron === undefined ? undefined : 'UTC');
      const times = parseTimes({ cron, timezone: zone, everyMs: every }, await mesh.server.time());
      const parsed = parseNewTask(task, { attempts: mesh.config.queue.attempts });
      if ('problems' in parsed) {
        throw new ClawmeshError('usage', parsed.problems.join('; '), { remedy: 'nothing was scheduled' });
      }
      return reply.code(201).send(await (await mesh.schedules()).add(name, times, parsed));
    },
  );
  for (const [action, paused] of [
    ['pause', true],
    ['resume', false],
  ] as const) {
    app.post(
      `/schedules/:name/${action}`,
      { schema: { params: byName }, config: { document: `schedule ${action}` } },
      async ({ params: { name } }) => {
        const schedules = await mesh.schedules();
        await schedules.setPaused(name, paused);
        return schedules.find(name);
      },
    );
  }
  app.delete(
    '/schedules/:name',
    { schema: { params: byName }, config: { document: 'schedule remove' } },
    async ({ params: { name } }) => {
      await (await mesh.schedules()).remove(name);
      return { name, removed: true };
    },
  );
}
