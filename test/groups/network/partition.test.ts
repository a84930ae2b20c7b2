import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Task } from '../../../src/domain/task.ts';
import { BUILT, CliProcess, runCli, writeConfig } from '../../support/cli.ts';
import { Ledger } from '../../support/ledger.ts';
import { Namespace } from '../../support/namespace.ts';
import { SpawnedRedis } from '../../support/redis.ts';
import { unexplainedOf } from '../../support/task-history.ts';

/** A node in a network namespace of its own, whose cable is pulled: no connection is closed, there is just no reply. */
describe('a node that is cut off from Redis', () => {
  let namespace: Namespace;
  let server: SpawnedRedis;
  let ledger: Ledger;
  const nodes: CliProcess[] = [];

  beforeAll(async () => {
    namespace = new Namespace(0);
    server = await SpawnedRedis.start(['--bind', `127.0.0.1 ${namespace.host}`, '--protected-mode', 'no']);
    ledger = new Ledger();
  });
  afterAll(async () => {
    for (const node of nodes) await node.kill();
    await server?.stop();
    namespace?.remove();
  });

  /** A lease long enough that only a pulled cable uses it up. */
  const configFor = (host: string) =>
    writeConfig(
      `mesh: p\nredis: {url: "redis://${host}:${server.port}"}\nopenclaw: {${ledger.asOpenclaw}}\nhealth: {heartbeatInterval: 1s, missedHeartbeats: 10}\n`,
    );
  const cli = (...args: string[]) => runCli(['--config', configFor('127.0.0.1'), ...args]);
  const enqueue = async (...args: string[]) => (await cli('enqueue', ...args)).stdout.trim();
  const show = async (id: string): Promise<Task> => JSON.parse((await cli('task', 'show', id, '--json')).stdout);
  const start = async (nodeId: string, host: string, prefix: string[] = []) => {
    const args = ['--config', configFor(host), 'node', 'run'];
    const node = new CliProcess(args, { CLAWMESH_NODE_ID: nodeId }, undefined, [...prefix, ...BUILT]);
    nodes.push(node);
    await node.waitFor(/node is up/);
    return node;
  };
  const starts = (id: string, count: number) =>
    expect.poll(() => ledger.starts(id).length, { interval: 20 }).toBe(count);
  const completed = (id: string) =>
    expect.poll(async () => (await show(id)).state, { interval: 300 }).toBe('completed');

  it('keeps its task in a short partition, loses it in a long one, and does no harm when it is back', async () => {
    const cutOff = await start('mac-1', namespace.host, namespace.prefix);
    const kept = await enqueue('hold');
    await starts(kept, 1);
    await start('mac-2', '127.0.0.1');
    const redis = new Redis(server.url);
    const lastSweep = () => redis.hget('{clawmesh:p}/sweep', 'lastAt');
    namespace.pullCable();
    // mac-2 looks at the mesh meanwhile, well within the lease.
    const before = await lastSweep();
    await expect.poll(lastSweep).not.toBe(before);
    namespace.plugIn();
    redis.disconnect();
    ledger.release();
    await completed(kept);
    expect(await show(kept)).toMatchObject({ node: 'mac-1', handovers: 0 });

    ledger.hold();
    await cli('node', 'drain', 'mac-2');
    const lost = await enqueue('hold');
    await starts(lost, 1);
    await cli('node', 'resume', 'mac-2');
    namespace.pullCable();
    await starts(lost, 2);
    namespace.plugIn();
    await cutOff.waitFor(/fenced[\s\S]*node is up/);
    ledger.release();
    await completed(lost);
    const tasks = [await show(kept), await show(lost)];
    expect(tasks[1]).toMatchObject({ node: 'mac-2', handovers: 1 });
    expect(tasks[1]?.history[2]).toMatchObject({ event: 'handover', reason: 'heartbeat' });
    expect(unexplainedOf(tasks, ledger)).toEqual([]);
    expect(ledger.ends(lost).map((line) => line.node)).toEqual(['mac-2']);
  });
});
