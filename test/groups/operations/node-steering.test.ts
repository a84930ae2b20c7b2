import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { NodeRecord } from '../../../src/domain/node.ts';
import type { PoolConsumer } from '../../../src/queue/bullmq/pool-consumer.ts';
import { CliProcess, runCli, writeConfig } from '../../support/cli.ts';
import { aNodeRecord } from '../../support/node-record.ts';
import { claimNext, newTask, openTestMesh, success, type TestMesh } from '../../support/pool.ts';
import { sweepHow } from '../../support/sweep-how.ts';
import { startRedis, type TestRedis } from '../../support/test-redis.ts';

describe('control of a node from the command line', () => {
  let server: TestRedis;
  let mesh: TestMesh;
  let config: string;
  const configWith = (more: string) => writeConfig(`mesh: n\nredis: {url: "${server.url}"}\n${more}`);

  beforeEach(async () => {
    server = await startRedis();
    mesh = await openTestMesh(server.url, 'n');
    config = configWith('');
  });
  afterEach(async () => {
    await mesh.close();
    await server.stop();
  });

  const cli = (...args: string[]) => runCli(['--config', config, ...args]);
  const json = async (...args: string[]) => JSON.parse((await cli(...args, '--json')).stdout);

  /** What the daemon says of itself: by default that it runs nothing, whatever it has claimed since. */
  const beat = (nodeId: string, incarnation: number, changed: Partial<NodeRecord> = {}) =>
    mesh.registry.beat(
      { nodeId, incarnation },
      aNodeRecord({
        incarnation,
        pools: { default: { concurrency: 2, running: 0 } },
        leaseMs: 600_000,
        ...changed,
      }),
      { ...sweepHow(nodeId), leaseMs: 600_000 },
    );
  const start = async (nodeId: string): Promise<PoolConsumer> => {
    const node = await mesh.node(nodeId);
    await beat(nodeId, Number(await mesh.redis.hget(mesh.keys.incarnations, nodeId)));
    return node;
  };
  const claim = async (node: PoolConsumer) => {
    await mesh.producer.enqueue([newTask()]);
    return claimNext(node);
  };
  /** No node sweeps in this mesh, so that the node is dead and not yet declared dead. */
  const lapse = async (nodeId: string) => mesh.redis.zadd(mesh.keys.leases, 'XX', 1, nodeId);
  /** All of Redis but the logs of what happened. */
  const state = async () => {
    const dump: Record<string, string | null> = {};
    for (const key of (await mesh.redis.keys('*')).sort()) {
      if (key !== mesh.keys.events) dump[key] = (await mesh.redis.dumpBuffer(key))?.toString('hex') ?? null;
    }
    return dump;
  };

  describe('drain of a node', () => {
    it('drains a node and reports how many tasks have locks of it, whatever its last heartbeat said', async () => {
      const node = await start('mac-1');
      const first = await claim(node);
      expect((await cli('node', 'drain', 'mac-1')).stderr).toBe('mac-1 claims no more tasks; 1 still runs\n');
      const second = await claim(node);
      expect(await json('node', 'drain', 'mac-1')).toMatchObject({
        id: 'mac-1',
        wanted: 'drain',
        state: 'up',
        running: [first.taskId, second.taskId].sort(),
        orphaned: [],
      });
    });

    it('drains a dead node without counting tasks that another node has taken from it', async () => {
      const [dead, other] = [await start('mac-1'), await start('mac-2')];
      const taken = await claim(dead);
      await beat('mac-1', 1, { running: [taken.taskId], pools: { default: { concurrency: 2, running: 1 } } });
      await mesh.registry.evict('mac-1', 600_000);
      await mesh.requeue();
      expect((await claimNext(other)).taskId).toBe(taken.taskId);
      const { stderr, code } = await cli('node', 'drain', 'mac-1');
      expect([code, stderr]).toEqual([0, expect.stringMatching(/^mac-1 is dead; .*node resume mac-1/)]);
      expect(await json('node', 'drain', 'mac-1')).toMatchObject({ state: 'dead', running: [], orphaned: [] });
      expect(await json('node', 'drain', 'mac-2')).toMatchObject({ state: 'up', running: [taken.taskId] });
    });

    it('drains a dead node and counts its tasks that no node has taken yet', async () => {
      const node = await start('mac-1');
      const { taskId } = await claim(node);
      await lapse('mac-1');
      expect((await cli('node', 'drain', 'mac-1')).stderr).toContain('1 task of this node waits for another node');
      expect(await json('node', 'drain', 'mac-1')).toMatchObject({ state: 'dead', running: [], orphaned: [taskId] });
    });

    it('drains and resumes a node, and says whether the node is up to resume', async () => {
      await start('mac-1');
      expect((await cli('node', 'resume', 'mac-1')).stderr).toBe('mac-1 is resumed\n');
      await lapse('mac-1');
      expect((await cli('node', 'resume', 'mac-1')).stderr).toMatch(
        /^mac-1 is dead; it will claim tasks when it comes back/,
      );
    });
  });

  describe('drain --wait', () => {
    const drainAndWait = (...more: string[]) =>
      new CliProcess(['--config', config, 'node', 'drain', 'mac-1', '--wait', ...more]);

    it('waits until the node has confirmed the drain and its last lock is gone', async () => {
      const node = await start('mac-1');
      const running = await claim(node);
      const waiting = drainAndWait();
      await waiting.waitFor(/1 still runs/);
      await node.report(running, success);
      // Nothing runs, but the node has not said that it claims nothing more.
      const last = await claim(node);
      await beat('mac-1', 1, { state: 'draining' });
      await node.report(last, success);
      expect(await waiting.exited).toBe(0);
      expect(waiting.output).toMatch(/\nmac-1 is drained: it runs no tasks\n$/);
      for (const id of [running.taskId, last.taskId]) {
        expect((await mesh.reader.get(id))?.state).toBe('completed');
      }
    });

    it('ends the wait at once if the node runs nothing, with one JSON document', async () => {
      await start('mac-1');
      await beat('mac-1', 1, { state: 'draining' });
      const { code, stdout } = await cli('node', 'drain', 'mac-1', '--wait', '--json');
      expect([code, JSON.parse(stdout)]).toEqual([
        0,
        { id: 'mac-1', wanted: 'drain', state: 'draining', running: [], orphaned: [] },
      ]);
    });

    it('ends the wait at the timeout, with exit code 5 and the tasks that still run', async () => {
      const { taskId } = await claim(await start('mac-1'));
      const { code, stderr } = await cli('node', 'drain', 'mac-1', '--wait', '--timeout', '300ms');
      expect(code).toBe(5);
      expect(stderr).toContain(`mac-1 still runs 1 task after 300ms: ${taskId}`);
    });

    it('ends the wait if an operator resumes the node, or it dies with a task', async () => {
      const node = await start('mac-1');
      await claim(node);
      const resumed = drainAndWait();
      await resumed.waitFor(/1 still runs/);
      await mesh.registry.setDesiredState('mac-1', 'resume');
      expect(await resumed.exited).toBe(1);
      expect(resumed.output).toMatch(/mac-1 was resumed/);
      const died = drainAndWait();
      await died.waitFor(/1 still runs/);
      await lapse('mac-1');
      expect(await died.exited).toBe(1);
      expect(died.output).toMatch(/mac-1 is dead; 1 task of this node waits for another node/);
    });

    it('refuses --timeout without --wait as a usage error, and drains nothing', async () => {
      await start('mac-1');
      const { code, stderr } = await cli('node', 'drain', 'mac-1', '--timeout', '1s');
      expect([code, stderr]).toEqual([2, expect.stringMatching(/^clawmesh: --timeout .*--wait.*\n$/)]);
      expect(await mesh.redis.hget(mesh.keys.control, 'mac-1')).toBeNull();
    });
  });

  describe('views of a node', () => {
    it('shows in every view only the running tasks whose locks name the node, not those handed over', async () => {
      const [dead, other] = [await start('mac-1'), await start('mac-2')];
      const handedOver = await claim(dead);
      await beat('mac-1', 1, {
        running: [handedOver.taskId],
        pools: { default: { concurrency: 2, running: 1 } },
      });
      await mesh.registry.evict('mac-1', 600_000);
      const shown = await json('node', 'show', 'mac-1');
      expect(shown).toMatchObject({ state: 'dead', running: [], orphaned: [handedOver.taskId] });
      expect((await cli('node', 'show', 'mac-1')).stdout).toContain(
        `${handedOver.taskId}, until another node claims it`,
      );
      await mesh.requeue();
      await claimNext(other);
      expect(await json('node', 'show', 'mac-1')).toMatchObject({
        running: [],
        orphaned: [],
        pools: { default: { concurrency: 2, running: 0 } },
      });
      expect((await cli('node', 'show', 'mac-1')).stdout).not.toContain(handedOver.taskId);
      expect((await json('node', 'list')).nodes[1]).toMatchObject({
        running: [handedOver.taskId],
        pools: { default: { running: 1 } },
      });
      expect((await cli('status')).stdout).toMatch(/mac-2 +up +█+░+ 1\/2 +default 1\/2/);
      expect((await json('pool', 'list')).pools[0]).toMatchObject({ running: 1 });
    });

    it('shows in status the tasks of a dead node that no node has taken', async () => {
      await claim(await start('mac-1'));
      await lapse('mac-1');
      expect((await json('status')).problems[0]).toMatchObject({
        severity: 'error',
        what: 'node mac-1 is dead; 1 task of this node waits for another node',
        fix: expect.stringContaining('clawmesh node forget mac-1'),
      });
    });
  });

  describe('forgetting a node', () => {
    it('forgets a dead node, so that status omits it and only the logs still name it', async () => {
      await start('mac-2');
      await start('mac-1');
      await mesh.registry.setDesiredState('mac-1', 'drain');
      await mesh.registry.evict('mac-1', 600_000);
      for (const key of ['presence', 'absentSince', 'loads'] as const)
        await mesh.redis.hset(mesh.keys[key], 'mac-1', '1');
      for (const key of ['freeSlots', 'turns'] as const) await mesh.redis.hset(mesh.keys[key]('default'), 'mac-1', '1');
      await mesh.redis.hset(mesh.keys.lastTokens, 'default:mac-1', 'mac-1~1:1');
      await mesh.redis.zadd(`${mesh.keys.wakeupPrefix('default')}mac-1`, 1, '0');
      await lapse('mac-1');
      expect((await json('status')).nodes.dead).toBe(1);
      const { code, stderr, stdout } = await cli('node', 'forget', 'mac-1');
      expect([code, stdout, stderr]).toEqual([0, '', 'mac-1 is forgotten\n']);
      const status = await json('status');
      expect([status.nodes.dead, JSON.stringify(status.problems)]).toEqual([0, expect.not.stringContaining('mac-1')]);
      expect((await cli('node', 'show', 'mac-1')).code).toBe(4);
      const { absent, events, incarnations } = mesh.keys;
      for (const key of (await mesh.redis.keys('*')).filter((name) => name !== absent && name !== events)) {
        const type = await mesh.redis.type(key);
        const fields = type === 'hash' ? await mesh.redis.hgetall(key) : {};
        const members = type === 'zset' ? await mesh.redis.zrange(key, 0, '-1') : [];
        expect(JSON.stringify([key, fields, members])).not.toContain('mac-1');
      }
      expect(await mesh.redis.hget(incarnations, '')).toBe('2');
      expect((await json('events')).events.at(-1)).toMatchObject({ event: 'node-forgotten', node: 'mac-1' });
    });

    it('gives a forgotten node a new incarnation above all it had, and keeps the earlier ones fenced', async () => {
      await start('mac-1');
      await mesh.registry.evict('mac-1', 600_000);
      const before = Number(await mesh.redis.hget(mesh.keys.incarnations, 'mac-1'));
      await cli('node', 'forget', 'mac-1');
      await expect(beat('mac-1', before)).rejects.toMatchObject({ code: 'fenced' });
      await start('mac-1');
      expect(Number(await mesh.redis.hget(mesh.keys.incarnations, 'mac-1'))).toBeGreaterThan(before);
      await expect(beat('mac-1', before)).rejects.toMatchObject({ code: 'fenced' });
    });

    it.each(['up', 'gated', 'draining'] as const)(
      'refuses to forget a node that is %s, and changes nothing',
      async (nodeState) => {
        await start('mac-1');
        await beat('mac-1', 1, { state: nodeState });
        const before = await state();
        const { code, stderr } = await cli('node', 'forget', 'mac-1');
        expect([code, stderr]).toEqual([
          1,
          expect.stringMatching(/^clawmesh: node mac-1 is (up|gated|draining)\b.*\n$/),
        ]);
        expect(stderr).toContain('clawmesh node evict mac-1');
        expect(await state()).toEqual(before);
      },
    );

    it('refuses to forget a node that a lock in any pool names, and changes nothing', async () => {
      const node = await mesh.node('mac-1', { pool: 'xcode' });
      await beat('mac-1', 1);
      await mesh.producer.enqueue([newTask({ pool: 'xcode' })]);
      const { taskId } = await claimNext(node);
      await lapse('mac-1');
      const before = await state();
      const { code, stderr } = await cli('node', 'forget', 'mac-1');
      expect([code, stderr]).toEqual([
        1,
        expect.stringMatching(/^clawmesh: node mac-1 still has claims on 1 task\b.*\n$/),
      ]);
      expect(stderr).toContain(taskId);
      expect(await state()).toEqual(before);
      expect((await cli('node', 'evict', 'mac-1')).stderr).toBe('mac-1 is declared dead; 1 task was requeued\n');
      expect((await cli('node', 'forget', 'mac-1')).code).toBe(0);
      expect((await mesh.reader.get(taskId))?.state).toBe('waiting');
    });

    it('forgets a node whose record cannot be read, or is missing', async () => {
      await mesh.registry.register('mac-1', ['default'], 1);
      await lapse('mac-1');
      await mesh.registry.register('mac-2', ['default'], 1);
      await lapse('mac-2');
      await mesh.redis.hset(mesh.keys.nodes, 'mac-2', '{"from":"a newer clawmesh"}');
      for (const id of ['mac-1', 'mac-2']) expect((await cli('node', 'forget', id)).code).toBe(0);
      expect(await mesh.redis.hgetall(mesh.keys.nodes)).toEqual({});
    });

    it.each(['mac-9', '', ' ', '*'])(
      'refuses to forget the unknown node %j with exit code 4, and changes nothing',
      async (id) => {
        await start('mac-1');
        await lapse('mac-1');
        await mesh.redis.hset(mesh.keys.incarnations, '', '7');
        const before = await state();
        const { code, stderr } = await cli('node', 'forget', id);
        expect([code, stderr]).toEqual([4, expect.stringMatching(/^clawmesh: no node .*\n$/)]);
        expect(await state()).toEqual(before);
      },
    );

    it('names what still refers to a forgotten node: the inventory, and tasks that only it may run', async () => {
      config = configWith('nodes: {mac-1: {}, mac-2: {}}\n');
      const other = await start('mac-2');
      await start('mac-1');
      await mesh.producer.enqueue([newTask({ node: 'mac-1' })]);
      await other.waitForWork();
      await other.claim();
      await lapse('mac-1');
      const { stderr, code } = await cli('node', 'forget', 'mac-1');
      expect(code).toBe(0);
      expect(stderr).toMatch(/remove it from nodes: in the config/);
      expect(stderr).toMatch(/1 task waits for mac-1, and no other node may run it/);
    });
  });

  describe('a stopped node of the inventory', () => {
    it('reports a stopped node as a notice, which changes neither the doctor’s result nor the worst severity', async () => {
      config = configWith('nodes: {mac-1: {}, mac-2: {}}\n');
      await start('mac-2');
      await start('mac-1');
      await beat('mac-1', 1, { state: 'stopped' });
      const { problems } = await json('status');
      expect(problems).toEqual([
        {
          severity: 'notice',
          what: 'node mac-1 has stopped',
          fix: expect.stringMatching(/clawmesh node (run|start).*clawmesh node forget mac-1/),
          actions: [{ command: 'node forget', subject: 'mac-1' }],
        },
      ]);
      expect((await cli('status')).stdout).toMatch(/· node mac-1 has stopped\n/);
      const { checks } = await json('doctor');
      const found = checks.filter(({ evidence }: { evidence: string }) => evidence.includes('mac-1 has stopped'));
      expect(found).toMatchObject([{ check: 'mesh', state: 'ok' }]);
    });

    it('reports a stopped node as mildly as a drained one, which is a notice in any mesh', async () => {
      await start('mac-1');
      const gate = {
        name: 'draining',
        open: false,
        reason: 'drained by an operator',
        fix: 'clawmesh node resume resumes the node',
      };
      await beat('mac-1', 1, { state: 'draining', gates: [gate] });
      expect((await json('status')).problems).toEqual([
        {
          severity: 'notice',
          what: 'node mac-1 claims no tasks: drained by an operator',
          fix: gate.fix,
          actions: [{ command: 'node resume', subject: 'mac-1' }],
        },
      ]);
    });

    it('reports no stopped node if the config names no nodes, since it left in order', async () => {
      await start('mac-2');
      await start('mac-1');
      await beat('mac-1', 1, { state: 'stopped' });
      expect((await json('status')).problems).toEqual([]);
    });
  });
});
