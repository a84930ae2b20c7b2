import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Task } from '../../src/domain/task.ts';
import { BUILT, CliProcess, runCli, writeConfig } from '../support/cli.ts';
import { brokenPromises, Ledger } from '../support/ledger.ts';
import { Namespace, namespacesPossible } from '../support/namespace.ts';
import { SpawnedRedis } from '../support/redis.ts';

/** A node in a network namespace of its own, whose cable is pulled: no connection is closed, there is just nobody there. */
describe.skipIf(!namespacesPossible)('a node that is cut off from Redis', () => {
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

  const configFor = (host: string) =>
    writeConfig(
      `mesh: p\nredis: {url: "redis://${host}:${server.port}"}\nopenclaw: {mode: exec, exec: {bin: "${ledger.bin}"}}\nhealth: {heartbeatInterval: 2s}\n`,
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
    expect.poll(() => ledger.starts(id).length, { timeout: 40_000, interval: 20 }).toBe(count);
  const completed = (id: string) =>
    expect.poll(async () => (await show(id)).state, { timeout: 60_000, interval: 300 }).toBe('completed');

  it('keeps its task in a short cut, loses it in a long one, and does no harm when it is back', async () => {
    const cutOff = await start('mac-1', namespace.host, namespace.prefix);
    const kept = await enqueue('6');
    await starts(kept, 1);
    await start('mac-2', '127.0.0.1');
    namespace.pullCable();
    await sleep(2_500); // the cut itself, shorter than the lease of 6 s
    namespace.plugIn();
    await completed(kept);
    expect(await show(kept)).toMatchObject({ node: 'mac-1', handovers: 0 });

    await cli('node', 'drain', 'mac-2');
    const lost = await enqueue('14');
    await starts(lost, 1);
    await cli('node', 'resume', 'mac-2');
    namespace.pullCable();
    const cutAt = Date.now();
    await starts(lost, 2);
    const takeoverMs = (ledger.starts(lost)[1]?.at ?? 0) - cutAt;
    console.log(`cable pulled → restarted elsewhere: ${takeoverMs} ms (promised: 7000)`);
    expect(takeoverMs).toBeLessThan(7_000 + 500); // half a second for the start of the run itself
    namespace.plugIn();
    await cutOff.waitFor(/fenced[\s\S]*node is up/, 60_000);
    await completed(lost);
    const tasks = [await show(kept), await show(lost)];
    expect(tasks[1]).toMatchObject({ node: 'mac-2', handovers: 1 });
    expect(tasks[1]?.history[2]).toMatchObject({ event: 'handover', reason: 'heartbeat' });
    expect(brokenPromises(tasks, ledger)).toEqual([]);
    const ends = ledger.lines().filter((line) => line.event === 'end' && line.taskId === lost);
    expect(ends.filter((line) => line.node === 'mac-2')).toHaveLength(1);
  }, 180_000);
});
