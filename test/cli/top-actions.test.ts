import { hostname } from 'node:os';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { questionFor } from '../../src/cli/top/sections.ts';
import type { Mesh } from '../../src/client/mesh.ts';
import type { Node } from '../../src/domain/node.ts';
import { openClient } from '../support/client.ts';
import { aNodeRecord } from '../support/node-record.ts';
import { meshPerTest } from '../support/pool.ts';

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
    const question = questionFor(client, 'c', 'tasks', task);
    expect(question?.text).toMatch(/^cancel …/);
    expect(await question?.act()).toMatch(/: cancelled$/);
    const { history } = await client.task.existing(task.id);
    expect(history.at(-1)?.reason).toMatch(new RegExp(`^cancelled by .+ on ${hostname()}$`));
    // It was shown a moment ago and has ended since.
    await expect(question?.act()).rejects.toMatchObject({ code: 'failed' });
  });

  it.each(['d', 'r'])('stores nothing for a node that was forgotten since it was shown (%s)', async (key) => {
    const node: Node = { ...aNodeRecord(), id: 'mac-1', heartbeatAgeMs: 0, orphaned: [] };
    await expect(questionFor(client, key, 'nodes', node)?.act()).rejects.toMatchObject({ code: 'not-found' });
    expect(await mesh().redis.exists(mesh().keys.control)).toBe(0);
  });
});
