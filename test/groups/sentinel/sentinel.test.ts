import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Mesh } from '../../../src/client/mesh.ts';
import { CliProcess, cleanEnv, runCli, writeConfig } from '../../support/cli.ts';
import { WatchedRedis } from '../../support/sentinels.ts';

/** How often the primary is killed; the figures in docs/how-to/redis-without-a-single-point-of-failure.md are of ten. */
const FAILOVERS = Number(process.env.CLAWMESH_FAILOVERS ?? 1);
/** With `memory` nothing is promised; it's there to be compared with. */
const DURABILITY = process.env.CLAWMESH_DURABILITY ?? 'replica';

describe('a mesh on a Redis with Sentinels', () => {
  let redis: WatchedRedis;
  const nodes: CliProcess[] = [];

  beforeEach(async () => {
    redis = await WatchedRedis.start();
  });
  afterEach(async () => {
    for (const node of nodes.splice(0)) await node.kill();
    await redis.stop();
  });

  const configFor = (durability: string) =>
    writeConfig(
      `mesh: m\nredis: ${redis.settings}, durability: ${durability}}\nopenclaw: {mode: simulate}\nnode: {pools: {default: 20}}\n`,
    );
  const start = async (id: string, config: string) => {
    const node = new CliProcess(['--config', config, 'node', 'run'], { CLAWMESH_NODE_ID: id });
    nodes.push(node);
    await node.waitFor(/node is up/);
  };

  it('continues with the new primary, and has lost no acknowledged task', async () => {
    const config = configFor(DURABILITY);
    await start('mac-1', config);
    await start('mac-2', config);
    for (let round = 0; round < FAILOVERS; round++) {
      const acknowledged: string[] = [];
      let refused = 0;
      const stop = new AbortController();
      const load = Array.from({ length: 8 }, async () => {
        let mesh: Mesh | undefined;
        while (!stop.signal.aborted) {
          try {
            mesh ??= await Mesh.open({ config, env: cleanEnv() });
            acknowledged.push(...(await mesh.enqueue({ message: 'sleep 20ms' })).map(({ id }) => id));
          } catch {
            refused++;
            await mesh?.close();
            mesh = undefined;
          }
        }
        await mesh?.close();
      });
      const primary = await redis.settled();
      await expect.poll(() => acknowledged.length).toBeGreaterThan(300);
      const before = acknowledged.length;
      await primary.down('SIGKILL');
      // A person who types a command meanwhile waits, and is told so.
      const typed = await runCli(['--config', config, 'node', 'list']);
      expect(typed).toMatchObject({
        code: 0,
        stderr: expect.stringMatching(/waiting for a Redis primary/),
      });
      await expect.poll(() => acknowledged.length).toBeGreaterThan(before + 300);
      stop.abort();
      await Promise.all(load);

      const mesh = await Mesh.open({ config, env: cleanEnv() });
      const found = await Promise.all(acknowledged.map((id) => mesh.get(id)));
      const lost = acknowledged.filter((_, i) => found[i] === undefined);
      const kept = acknowledged.filter((_, i) => found[i] !== undefined);
      const ended = await mesh.wait(kept, { timeoutMs: 60_000 });
      await mesh.close();
      const starts = ended.map((task) => Date.parse(task.startedAt ?? '')).sort((a, b) => a - b);
      const longestGap = Math.max(...starts.slice(1).map((at, i) => at - (starts[i] ?? 0)));
      console.log(
        `primary killed under load, ${DURABILITY}: ${acknowledged.length} acknowledged, ${refused} refused, ${lost.length} lost, longest time without a claim ${longestGap} ms`,
      );
      expect(new Set(ended.map((task) => task.state))).toEqual(new Set(['completed']));
      if (DURABILITY === 'replica') expect(lost).toEqual([]);
      await primary.up();
      await redis.settled();
    }
  });

  it('reports no task as queued that no replica has', async () => {
    const primary = await redis.settled();
    const replicas = redis.servers.filter((server) => server !== primary);
    for (const { pid } of replicas) process.kill(pid, 'SIGSTOP');
    try {
      const refused = await runCli(['--config', configFor('replica'), 'enqueue', 'x']);
      expect(refused).toMatchObject({
        code: 3,
        stdout: '',
        stderr: expect.stringMatching(/task \S+ is enqueued, but no Redis replica/),
      });
      expect(await runCli(['--config', configFor('memory'), 'enqueue', 'x'])).toMatchObject({ code: 0 });
    } finally {
      for (const { pid } of replicas) process.kill(pid, 'SIGCONT');
    }
  });
});
