import { fastify } from 'fastify';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Mesh } from '../../src/client/mesh.ts';
import { addSteeringRoutes } from '../../src/ops/dashboard/api.ts';
import { openClient } from '../support/client.ts';
import { aNodeRecord } from '../support/node-record.ts';
import { claimNext, meshPerTest, newTask } from '../support/pool.ts';
import { sweepHow } from '../support/sweep-how.ts';

describe('steering by the dashboard', () => {
  const mesh = meshPerTest('steering');
  let client: Mesh;
  let post: (path: string) => Promise<{ status: number; body: Record<string, unknown> }>;
  beforeEach(async () => {
    client = await openClient(mesh());
    const app = fastify();
    addSteeringRoutes(app, client);
    post = async (path) => {
      const response = await app.inject({ method: 'POST', url: path, payload: {} });
      return { status: response.statusCode, body: response.json() };
    };
  });
  afterEach(() => client.close());

  const runningTask = async () => {
    const node = await mesh().node('mac-1');
    await mesh().registry.beat(
      { nodeId: 'mac-1', incarnation: 1 },
      aNodeRecord({ leaseMs: 600_000 }),
      sweepHow('mac-1'),
    );
    await mesh().producer.enqueue([newTask()]);
    return (await claimNext(node)).taskId;
  };

  it('requeues the tasks of an evicted node at once', async () => {
    const id = await runningTask();
    expect(await post('/api/nodes/mac-1/evict')).toEqual({
      status: 200,
      body: { id: 'mac-1', wanted: 'evict', requeued: [id] },
    });
    expect(await client.get(id)).toMatchObject({ state: 'waiting', handovers: 1 });
  });

  it('drains and resumes a node', async () => {
    await runningTask();
    expect(await post('/api/nodes/mac-1/drain')).toMatchObject({ status: 200, body: { id: 'mac-1', wanted: 'drain' } });
    expect(await mesh().registry.wanted('mac-1')).toBe('drain');
    expect(await post('/api/nodes/mac-1/resume')).toMatchObject({ status: 200 });
    expect(await mesh().registry.wanted('mac-1')).toBeUndefined();
  });

  it('pauses and resumes a pool', async () => {
    await mesh().producer.enqueue([newTask()]);
    expect(await post('/api/pools/default/pause')).toMatchObject({ body: { pool: 'default', paused: true } });
    expect((await client.pool.counts()).get('default')?.paused).toBe(true);
    expect(await post('/api/pools/default/resume')).toMatchObject({ body: { pool: 'default', paused: false } });
    expect((await client.pool.counts()).get('default')?.paused).toBe(false);
  });

  it('fails to cancel a task that has ended', async () => {
    const [task] = await client.enqueue({ message: 'x' });
    expect(await post(`/api/tasks/${task?.id}/cancel`)).toMatchObject({ status: 200, body: { state: 'cancelled' } });
    const { status, body } = await post(`/api/tasks/${task?.id}/cancel`);
    expect(status).toBeGreaterThanOrEqual(400);
    expect(body.message).toBe(`task ${task?.id} has already ended`);
  });
});
