import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Mesh } from '../../src/client/mesh.ts';
import { openClient } from '../support/client.ts';
import { aNodeRecord } from '../support/node-record.ts';
import { claimNext, meshPerTest, newTask, success } from '../support/pool.ts';
import { sweepHow } from '../support/sweep-how.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

describe('the client of a mesh', () => {
  const mesh = meshPerTest('client');
  let clock: VirtualClock;
  let client: Mesh;
  beforeEach(async () => {
    clock = new VirtualClock();
    client = await openClient(mesh(), { clock, nodes: { 'mac-9': {} } });
  });
  afterEach(() => client.close());

  /** A node that has sent a heartbeat, and can claim. */
  const upNode = async (id: string) => {
    const consumer = await mesh().node(id);
    const incarnation = Number(await mesh().redis.hget(mesh().keys.incarnations, id));
    const pools = { default: { concurrency: 1, running: 0 } };
    const record = aNodeRecord({ incarnation, pools, leaseMs: 600_000 });
    await mesh().registry.beat({ nodeId: id, incarnation }, record, sweepHow(id));
    return consumer;
  };

  it('requeues the tasks of an evicted node at once, and returns those alone', async () => {
    const [node, other] = [await upNode('mac-1'), await upNode('mac-2')];
    await mesh().producer.enqueue([newTask(), newTask()]);
    const [claim, kept] = [await claimNext(node), await claimNext(other)];
    const requeued = await client.node.evict('mac-1');
    expect(requeued).toMatchObject([{ taskId: claim.taskId, from: 'mac-1', reason: 'evicted' }]);
    expect(await client.get(claim.taskId)).toMatchObject({ state: 'waiting', handovers: 1 });
    expect(await client.get(kept.taskId)).toMatchObject({ state: 'active', node: 'mac-2' });
    expect(await client.node.find('mac-1')).toMatchObject({ state: 'dead' });
  });

  it('returns the tasks of an evicted node, also those that another node requeues first', async () => {
    for (let round = 0; round < 20; round++) {
      const node = await upNode('mac-1');
      await mesh().producer.enqueue([newTask()]);
      const { taskId } = await claimNext(node);
      // A sweep of another node, which is as fast as the eviction or faster.
      const [requeued] = await Promise.all([client.node.evict('mac-1'), mesh().requeue(), mesh().requeue()]);
      expect(requeued.map((handover) => handover.taskId)).toEqual([taskId]);
      await mesh().control.remove({ id: taskId, pool: 'default' });
    }
  });

  it('stores a drain until the node is resumed', async () => {
    await upNode('mac-1');
    expect(await client.node.drain('mac-1')).toMatchObject({ id: 'mac-1', running: [] });
    expect(await mesh().registry.wanted('mac-1')).toBe('drain');
    await client.node.resume('mac-1');
    expect(await mesh().registry.wanted('mac-1')).toBeUndefined();
  });

  it.each([
    ['drain', (id: string) => client.node.drain(id)],
    ['pause', (id: string) => client.node.pause(id)],
    ['resume', (id: string) => client.node.resume(id)],
    ['evict', (id: string) => client.node.evict(id)],
    ['forget', (id: string) => client.node.forget(id)],
    ['failForDrill', (id: string) => client.node.failForDrill(id, 'crash')],
    ['existing', (id: string) => client.node.existing(id)],
  ])('changes nothing and names the nearest node when node.%s is called for an unknown one', async (_, act) => {
    await upNode('mac-1');
    const controlled = () => mesh().redis.hgetall(mesh().keys.control);
    await expect(act('mac-11')).rejects.toMatchObject({ code: 'not-found', remedy: expect.stringContaining('mac-1') });
    expect(await controlled()).toEqual({});
  });

  it('counts only the tasks that wait for the forgotten node', async () => {
    await client.enqueue([
      { message: 'x', node: 'mac-9' },
      { message: 'y', node: 'mac-9' },
    ]);
    const node = await upNode('mac-9');
    const owner = { nodeId: 'mac-9', incarnation: 1 };
    await mesh().registry.beat(owner, aNodeRecord({ state: 'stopped' }), sweepHow('mac-9'));
    expect(await node.claim()).toBeUndefined();
    const { waiting } = await client.node.forget('mac-9');
    expect(waiting).toBe(2);
    expect(await client.nodes()).toEqual([]);
  });

  it('refuses to forget a node that is up', async () => {
    await upNode('mac-1');
    await expect(client.node.forget('mac-1')).rejects.toMatchObject({ code: 'failed', message: 'node mac-1 is up' });
  });

  it('refuses a note of a pause that is too long, and pauses nothing', async () => {
    await upNode('mac-1');
    await client.enqueue({ message: 'x', pool: 'xcode' });
    const note = 'x'.repeat(201);
    const message = expect.stringContaining('has 201 characters, at most 200');
    await expect(client.node.pause('mac-1', { note })).rejects.toMatchObject({ code: 'usage', message });
    await expect(client.pool.pause('xcode', { note })).rejects.toMatchObject({ code: 'usage', message });
    expect(await mesh().registry.wanted('mac-1')).toBeUndefined();
    expect((await client.pool.counts()).get('xcode')?.paused).toBe(false);
  });

  it('pauses and resumes a pool, and refuses one that does not exist', async () => {
    await client.enqueue({ message: 'x', pool: 'xcode' });
    await client.pool.pause('xcode');
    expect((await client.pool.counts()).get('xcode')).toMatchObject({ waiting: 1, paused: true });
    expect(await client.pool.inLine()).toEqual(new Map());
    await client.pool.resume('xcode');
    expect((await client.pool.counts(['xcode'])).get('xcode')?.paused).toBe(false);
    for (const act of [client.pool.pause('xcod'), client.pool.resume('xcod'), client.pool.check('xcod')])
      await expect(act).rejects.toMatchObject({ code: 'not-found' });
  });

  it('cancels a waiting task at once, and fails for one that has ended', async () => {
    const [task] = await client.enqueue({ message: 'x' });
    const id = task?.id ?? '';
    expect(await client.cancel(id, 'cancelled by the test')).toBe('cancelled');
    expect((await client.get(id))?.history.at(-1)).toMatchObject({
      event: 'cancelled',
      reason: 'cancelled by the test',
    });
    await expect(client.cancel(id)).rejects.toMatchObject({ code: 'failed', message: `task ${id} has already ended` });
    await expect(client.cancel('x')).rejects.toMatchObject({ code: 'not-found' });
  });

  it('tells a node to stop a cancelled run every 300 ms, and gives up after 8 s', async () => {
    const node = await upNode('mac-1');
    await mesh().producer.enqueue([newTask()]);
    const { taskId } = await claimNext(node);
    const listener = mesh().redis.duplicate();
    const told: string[] = [];
    listener.on('message', (_channel, message) => told.push(message));
    await listener.subscribe(mesh().registry.presenceChannel({ nodeId: 'mac-1', incarnation: 1 }));
    const cancelling = client.cancel(taskId);
    let answer: string | undefined;
    void cancelling.then((given) => {
      answer = given;
    });
    // 0 ms, 100 ms, then every 300 ms: the last at 8,200 ms is the first after the limit.
    for (let times = 1; times <= 28; times++) {
      await expect.poll(() => clock.pending).toBe(1);
      expect(answer).toBeUndefined();
      await clock.advance(times === 1 ? 100 : 300);
    }
    expect(await cancelling).toBe('stopping');
    expect(clock.monotonic()).toBe(8_200);
    await expect.poll(() => told.length).toBe(29);
    expect(new Set(told)).toEqual(new Set([`cancel ${taskId}`]));
    listener.disconnect();
  });

  it('reports a run as cancelled as soon as its node has stopped it', async () => {
    const node = await upNode('mac-1');
    await mesh().producer.enqueue([newTask()]);
    const claim = await claimNext(node);
    const cancelling = client.cancel(claim.taskId);
    await expect.poll(() => clock.pending).toBe(1);
    await node.report(claim, { ok: false, error: { kind: 'cancelled', message: 'stopped', retryable: false } });
    await clock.advance(100);
    expect(await cancelling).toBe('cancelled');
  });

  it('waits for a task until its limit on the given clock', async () => {
    const node = await upNode('mac-1');
    const [task] = await client.enqueue({ message: 'x' });
    const claim = await claimNext(node);
    const waiting = client.wait([task?.id ?? '']);
    await expect.poll(() => clock.pending).toBe(1);
    await node.report(claim, success);
    await clock.advance(250);
    expect(await waiting).toMatchObject([{ id: task?.id, state: 'completed' }]);
  });

  it('closes a circuit and says whether it was open', async () => {
    await expect(client.circuit.close('p/m')).rejects.toMatchObject({ code: 'not-found' });
    expect(await client.circuit.view()).toEqual([]);
  });

  it('requeues orphaned tasks of every node', async () => {
    const node = await upNode('mac-1');
    await mesh().producer.enqueue([newTask()]);
    const { taskId } = await claimNext(node);
    expect(await client.task.orphaned()).toEqual([]);
    await mesh().registry.evict('mac-1', 600_000);
    expect(await client.task.orphaned()).toEqual([{ taskId, pool: 'default', owner: 'mac-1' }]);
    expect(await client.task.requeueOrphaned()).toMatchObject([{ taskId, from: 'mac-1' }]);
    expect(await client.task.orphaned()).toEqual([]);
  });

  it('exposes neither its connection nor its keys', () => {
    const reachable = Object.values(client).flatMap((part) => [part, ...Object.values(part ?? {})]);
    const names = new Set(reachable.map((part) => part?.constructor?.name));
    for (const hidden of ['Redis', 'MeshKeys', 'TaskReader', 'NodeRegistry']) expect(names).not.toContain(hidden);
  });
});
