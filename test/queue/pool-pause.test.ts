import { beforeEach, describe, expect, it } from 'vitest';
import { endPoolPauses, setPoolPaused } from '../../src/queue/bullmq/pause-pool.ts';
import { meshPerTest, newTask, type TestMesh } from '../support/pool.ts';

describe('the pause of a pool', () => {
  let mesh: TestMesh;
  const current = meshPerTest('pause');
  beforeEach(async () => {
    mesh = current();
    await mesh.producer.enqueue([newTask()]);
  });
  const set = (pause: Parameters<typeof setPoolPaused>[3]) => setPoolPaused(mesh.redis, mesh.keys, 'default', pause);
  const counts = async () => (await mesh.reader.counts(['default'])).get('default');
  const meta = () => mesh.redis.hgetall(mesh.keys.pool('default', 'meta'));
  /** The pause ends at this time, ms. */
  const endAt = async (until: number) => {
    const stored = (await meta())['cm:pause'] ?? '';
    await mesh.redis.hset(mesh.keys.pool('default', 'meta'), 'cm:pause', stored.replace(/^(\d+) \d+/, `$1 ${until}`));
  };

  it('says who paused it, why and until when, and leaves nothing behind once the pool is resumed', async () => {
    await set({ forMs: 3_600_000, note: 'licence', by: 'ada on mac-1' });
    const pause = (await counts())?.pause;
    expect(pause).toMatchObject({ note: 'licence', by: 'ada on mac-1' });
    expect(Date.parse(pause?.until ?? '') - Date.parse(pause?.at ?? '')).toBe(3_600_000);
    await set({ note: 'still' });
    expect((await counts())?.pause).toMatchObject({ note: 'still', by: null, until: null });
    await set(false);
    expect(await counts()).toMatchObject({ paused: false, pause: null });
    expect(await meta()).toEqual({});
  });

  it('ends once its time is over, and wakes a node for the tasks that waited', async () => {
    const node = await mesh.node('mac-1');
    await set({ forMs: 3_600_000 });
    expect(await node.claim()).toBeUndefined();
    await endAt((await mesh.registry.redisTime()) + 600_000);
    expect(await endPoolPauses(mesh.redis, mesh.keys)).toBe(0);
    expect(await counts()).toMatchObject({ paused: true });
    await endAt(await mesh.registry.redisTime());
    expect(await endPoolPauses(mesh.redis, mesh.keys)).toBe(1);
    expect(await counts()).toMatchObject({ paused: false, pause: null });
    expect(await node.waitForWork()).toBe(true);
    expect(await node.claim()).toMatchObject({ pool: 'default' });
  });

  it('has no end without a time, and none if another program paused the pool', async () => {
    await set({});
    expect(await endPoolPauses(mesh.redis, mesh.keys)).toBe(0);
    await set(false);
    await mesh.redis.hset(mesh.keys.pool('default', 'meta'), 'paused', 1);
    expect(await endPoolPauses(mesh.redis, mesh.keys)).toBe(0);
    expect(await counts()).toMatchObject({ paused: true, pause: null });
  });
});
