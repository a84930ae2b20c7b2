import { beforeEach, describe, expect, it } from 'vitest';
import { aNodeRecord } from '../support/node-record.ts';
import { meshPerTest, type TestMesh } from '../support/pool.ts';
import { sweepHow } from '../support/sweep-how.ts';

describe('the desired state of a node', () => {
  let mesh: TestMesh;
  const current = meshPerTest('desired');
  beforeEach(async () => {
    mesh = current();
    await mesh.registry.register('mac-1', ['default'], 600_000);
  });
  const beat = async () => {
    const owner = { nodeId: 'mac-1', incarnation: 1 };
    const { desired, pause } = await mesh.registry.beat(owner, aNodeRecord({ leaseMs: 600_000 }), sweepHow('mac-1'));
    return { desired, pause };
  };
  const stored = () => mesh.redis.hgetall(mesh.keys.control);
  const NOTHING = { desired: undefined, pause: undefined };

  it('is a pause from Redis time on, for as long as asked, with its note and author, at every heartbeat', async () => {
    const before = await mesh.registry.redisTime();
    await mesh.registry.pause('mac-1', { forMs: 7_200_000, note: 'new "disk" – {"until":1}', by: 'ada on mac-2' });
    const { desired, pause } = await beat();
    expect(desired).toBe('pause');
    expect(pause).toMatchObject({ note: 'new "disk" – {"until":1}', by: 'ada on mac-2' });
    const [at, until] = [Date.parse(pause?.at ?? ''), Date.parse(pause?.until ?? '')];
    expect(at).toBeGreaterThanOrEqual(before);
    expect(at).toBeLessThanOrEqual(await mesh.registry.redisTime());
    expect(until - at).toBe(7_200_000);
    expect(await beat()).toEqual({ desired, pause });
    expect(await mesh.registry.wanted('mac-1')).toBe('pause');
  });

  it('is a pause without an end until the node is resumed', async () => {
    await mesh.registry.pause('mac-1', {});
    expect((await beat()).pause).toMatchObject({ until: null, note: null, by: null });
    await mesh.registry.setDesiredState('mac-1', 'resume');
    expect(await beat()).toEqual(NOTHING);
    expect(await stored()).toEqual({});
  });

  it('ends by itself with the first heartbeat after the time of the pause, and not before', async () => {
    const now = await mesh.registry.redisTime();
    await mesh.redis.hset(mesh.keys.control, 'mac-1', `pause ${now - 10_000} ${now + 600_000} {}`);
    expect((await beat()).desired).toBe('pause');
    await mesh.redis.hset(mesh.keys.control, 'mac-1', `pause ${now - 10_000} ${now} {}`);
    expect(await beat()).toEqual(NOTHING);
    expect(await stored()).toEqual({});
  });

  it('is the last one that an operator asked for', async () => {
    await mesh.registry.setDesiredState('mac-1', 'drain');
    await mesh.registry.pause('mac-1', {});
    expect((await beat()).desired).toBe('pause');
    await mesh.registry.setDesiredState('mac-1', 'drain');
    expect(await beat()).toEqual({ desired: 'drain', pause: undefined });
  });

  it('is a drill for one heartbeat only', async () => {
    await mesh.registry.setDesiredState('mac-1', 'drill-freeze');
    expect((await beat()).desired).toBe('drill-freeze');
    expect(await beat()).toEqual(NOTHING);
  });

  it('is stored for no node that the mesh does not know', async () => {
    expect(await mesh.registry.pause('mac-2', {})).toBe(false);
    expect(await mesh.registry.setDesiredState('mac-2', 'drain')).toBe(false);
    expect(await stored()).toEqual({});
  });
});
