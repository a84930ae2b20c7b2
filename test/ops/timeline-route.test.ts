import { type FastifyInstance, fastify } from 'fastify';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { addTimelineRoutes } from '../../src/ops/dashboard/api/timeline.ts';
import { withZod } from '../../src/ops/dashboard/api/zod-routes.ts';
import { RunReader } from '../../src/queue/bullmq/run-reader.ts';
import { claimNext, meshPerTest, newTask, success } from '../support/pool.ts';

describe('the route of the timeline', () => {
  const mesh = meshPerTest('route');
  let app: FastifyInstance;
  beforeEach(() => {
    app = fastify();
    addTimelineRoutes(withZod(app), { runs: new RunReader(mesh().redis, mesh().keys) });
  });
  afterEach(() => app.close());
  const get = async (path: string) => {
    const response = await app.inject(`/timeline${path}`);
    return { status: response.statusCode, body: response.json() };
  };

  it('returns the runs of ended tasks that ended by then, and leaves out tasks that never ran', async () => {
    const node = await mesh().node('mac-1');
    const [, never] = await mesh().producer.enqueue([newTask(), newTask()]);
    const claim = await claimNext(node);
    await node.report(claim, success);
    await mesh().control.cancel({ id: never?.id ?? '', pool: 'default' }, 'not needed');
    const { body } = await get('');
    expect(body).toMatchObject({
      tasks: [{ id: claim.taskId, pool: 'default', bars: [{ node: 'mac-1', attempt: 1, end: 'completed' }] }],
      reach: null,
    });
    expect(body.tasks).toHaveLength(1);
    expect((await get(`?before=${body.tasks[0].bars[0].to - 1}`)).body).toEqual({ tasks: [], reach: null });
    expect((await get(`/default/${claim.taskId}`)).body).toEqual({ key: `default ${claim.taskId}`, title: 'hello' });
  });
});
