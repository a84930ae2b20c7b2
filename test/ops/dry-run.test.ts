import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Mesh } from '../../src/client/mesh.ts';
import type { NodeRecord } from '../../src/domain/node.ts';
import type { NewTask } from '../../src/domain/task.ts';
import { dryRun } from '../../src/ops/dry-run.ts';
import { openClient } from '../support/client.ts';
import { aNodeRecord } from '../support/node-record.ts';
import { claimNext, meshPerTest, newTask, success } from '../support/pool.ts';

describe('a dry run', () => {
  const mesh = meshPerTest('dry');
  let client: Mesh;
  beforeEach(async () => {
    client = await openClient(mesh());
  });
  afterEach(() => client.close());

  /** A node with one slot that can claim, and has told this of itself. */
  const upNode = async (id: string, changed: Partial<NodeRecord> = {}) => {
    const consumer = await mesh().node(id);
    const pools = { default: { concurrency: 1, running: 0 } };
    await mesh().redis.hset(mesh().keys.nodes, id, JSON.stringify(aNodeRecord({ pools, ...changed })));
    return consumer;
  };
  const of = (task: Partial<NewTask> = {}) => dryRun(client, newTask(task));

  it('names the nodes that would claim the task at once, and queues nothing', async () => {
    await upNode('mac-1', { labels: { xcode: '26' } });
    await upNode('mac-2');
    const before = await mesh().redis.keys('*');
    const nowhere = { waits: null, fix: null, duplicateOf: null };
    expect(await of()).toEqual({ pool: 'default', nodes: ['mac-1', 'mac-2'], ...nowhere });
    expect(await of({ require: { xcode: '26' } })).toMatchObject({ nodes: ['mac-1'], waits: null });
    expect((await mesh().redis.keys('*')).sort()).toEqual(before.sort());
    expect(await client.list()).toEqual([]);
  });

  it('says why the task would wait, and what to do', async () => {
    expect(await of()).toMatchObject({ nodes: [], waits: 'no node is up' });
    await upNode('mac-1', { state: 'paused', gates: [{ name: 'paused', open: false, reason: 'paused', fix: 'x' }] });
    expect(await of()).toMatchObject({
      waits: 'node mac-1 claims no tasks: paused',
      fix: 'clawmesh node resume mac-1',
    });
    expect((await of({ delayMs: 3_600_000 })).waits).toMatch(/^not before .* \(in 1h\)$/);
  });

  it('waits for a free slot of a node that runs as many tasks as it can, behind the tasks in line', async () => {
    const node = await upNode('mac-1');
    await mesh().producer.enqueue([newTask()]);
    await claimNext(node);
    expect(await of()).toMatchObject({ nodes: [], waits: 'it waits for a free slot on mac-1', fix: null });
    await mesh().producer.enqueue([newTask(), newTask()]);
    expect((await of()).waits).toBe('it waits for a free slot on mac-1; 2 tasks are in line in pool default');
  });

  it('knows the sticky node of a session, and the task that it is busy with', async () => {
    const node = await upNode('mac-2');
    await upNode('mac-1');
    await mesh().producer.enqueue([newTask({ session: 'chat' })]);
    const claim = await claimNext(node);
    expect((await of({ session: 'chat' })).waits).toBe(`task ${claim.taskId} of session chat comes first`);
    await node.report(claim, success);
    expect(await of({ session: 'chat' })).toMatchObject({ nodes: ['mac-2'], waits: null });
    expect(await of({ session: 'other' })).toMatchObject({ nodes: ['mac-1', 'mac-2'] });
  });

  it('reports the task that has the same key', async () => {
    await upNode('mac-1');
    const [first] = await mesh().producer.enqueue([newTask({ key: 'k' })]);
    expect(await of({ key: 'k' })).toMatchObject({
      duplicateOf: first?.id,
      nodes: [],
      waits: `task ${first?.id} has the same key, and is waiting`,
    });
    expect(await of({ key: 'free' })).toMatchObject({ duplicateOf: null });
  });

  it('waits for the tasks before it that have not completed, and refuses one that never will', async () => {
    const node = await upNode('mac-1');
    const [first] = await mesh().producer.enqueue([newTask()]);
    const after = [{ id: first?.id ?? '', pool: '' }];
    expect((await of({ after })).waits).toBe(`it waits for ${first?.id} to complete`);
    await node.report(await claimNext(node), success);
    expect(await of({ after })).toMatchObject({ nodes: ['mac-1'], waits: null });
    await expect(of({ after: [{ id: 'gone', pool: '' }] })).rejects.toMatchObject({ code: 'not-found' });
    await expect(of({ node: 'mac-9' })).rejects.toMatchObject({ code: 'not-found' });
  });
});
