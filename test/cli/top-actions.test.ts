import { hostname } from 'node:os';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { questionFor } from '../../src/cli/top/actions.ts';
import type { Mesh } from '../../src/client/mesh.ts';
import type { Node } from '../../src/domain/node.ts';
import { openClient } from '../support/client.ts';
import { aNodeRecord } from '../support/node-record.ts';
import { claimNext, meshPerTest } from '../support/pool.ts';

describe('keys of top', () => {
  const mesh = meshPerTest('top');
  let client: Mesh;
  beforeEach(async () => {
    client = await openClient(mesh());
  });
  afterEach(() => client.close());

  it('cancels a task in the name of the user, as task cancel does', async () => {
    const [queued] = await client.enqueue({ message: 'x' });
    const task = await client.task.existing(queued?.id ?? '');
    const question = questionFor(client, 'c', { section: 'tasks', task });
    expect(question?.text).toMatch(/^cancel …/);
    expect(await question?.act()).toMatch(/: cancelled$/);
    const { history } = await client.task.existing(task.id);
    expect(history.at(-1)?.reason).toMatch(new RegExp(`^cancelled by .+ on ${hostname()}$`));
    // It was shown a moment ago and has ended since.
    await expect(question?.act()).rejects.toMatchObject({ code: 'failed' });
  });

  it.each(['d', 'r', 'p', 'e'])('stores nothing for a node that was forgotten since it was shown (%s)', async (key) => {
    const node: Node = { ...aNodeRecord(), id: 'mac-1', heartbeatAgeMs: 0, orphaned: [] };
    const question = questionFor(client, key, { section: 'nodes', node });
    await expect(question?.act()).rejects.toMatchObject({ code: 'not-found' });
    expect(await mesh().redis.exists(mesh().keys.control)).toBe(0);
  });

  it('evicts a node that is up, requeues its tasks, and offers no eviction of a dead node', async () => {
    const consumer = await mesh().node('mac-1');
    await mesh().redis.hset(mesh().keys.nodes, 'mac-1', JSON.stringify(aNodeRecord()));
    await client.enqueue({ message: 'x' });
    await claimNext(consumer);
    const node = { ...(await client.node.existing('mac-1')), state: 'up' as const, running: ['t'] };
    const question = questionFor(client, 'e', { section: 'nodes', node });
    expect(question?.text).toBe('declare mac-1 dead? It runs 1 task.');
    expect(await question?.act()).toBe('mac-1 is declared dead; 1 task was requeued');
    const dead = await client.node.existing('mac-1');
    expect(dead.state).toBe('dead');
    expect(questionFor(client, 'e', { section: 'nodes', node: dead })).toBeUndefined();
  });

  it('pauses a pool and resumes it with the same key', async () => {
    await client.enqueue({ message: 'x', pool: 'xcode' });
    const pool = async () => {
      const counts = (await client.pool.counts()).get('xcode');
      if (!counts) throw new Error('no pool xcode');
      return { section: 'pools' as const, pool: { name: 'xcode', ...counts } };
    };
    expect(await questionFor(client, 'p', await pool())?.act()).toMatch(/^pool xcode is paused/);
    expect((await pool()).pool.paused).toBe(true);
    expect(await questionFor(client, 'p', await pool())?.act()).toBe('pool xcode is resumed');
    expect((await pool()).pool.paused).toBe(false);
  });

  it('drains a node and resumes it with the same key', () => {
    const node: Node = { ...aNodeRecord(), id: 'mac-1', heartbeatAgeMs: 0, orphaned: [] };
    expect(questionFor(client, 'p', { section: 'nodes', node })?.text).toBe('drain mac-1?');
    const draining = { ...node, state: 'draining' as const };
    expect(questionFor(client, 'p', { section: 'nodes', node: draining })?.text).toBe('resume mac-1?');
  });
});
