import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Handover } from '../../src/domain/handover.ts';
import type { Node } from '../../src/domain/node.ts';
import type { Task } from '../../src/domain/task.ts';
import { CliProcess, emptyFolder, runCli, writeConfig } from '../support/cli.ts';
import { brokenPromises, Ledger } from '../support/ledger.ts';
import { isRunning } from '../support/processes.ts';
import { SpawnedRedis } from '../support/redis.ts';

/** Beats of 500 ms × 3: a lease of 1.5 s. The crash grace is the default second. */
describe('failover', () => {
  let server: SpawnedRedis;
  let ledger: Ledger;
  let config: string;
  let nodes: Map<string, CliProcess>;

  beforeEach(async () => {
    server = await SpawnedRedis.start();
    ledger = new Ledger();
    config = configWith('');
    nodes = new Map();
  });
  afterEach(async () => {
    for (const node of nodes.values()) {
      if (isRunning(node.pid)) process.kill(node.pid, 'SIGCONT');
      await node.kill();
    }
    await server.stop();
  });

  const configWith = (more: string, health = 'heartbeatInterval: 500ms, missedHeartbeats: 3') =>
    writeConfig(
      `mesh: m\nredis: {url: "${server.url}"}\nopenclaw: {mode: exec, exec: {bin: "${ledger.bin}"}}\nhealth: {${health}}\n${more}`,
    );
  const start = async (nodeId: string) => {
    const node = new CliProcess(['--config', config, 'node', 'run'], { CLAWMESH_NODE_ID: nodeId });
    nodes.set(nodeId, node);
    await node.waitFor(/node is up/);
    return node;
  };
  const cli = (...args: string[]) => runCli(['--config', config, ...args]);
  const json = async (...args: string[]) => JSON.parse((await cli(...args, '--json')).stdout);
  const enqueue = async (...args: string[]) => (await cli('enqueue', ...args)).stdout.trim();
  const tasks = async () => ((await json('task', 'list', '--limit', '1000')) as { tasks: Task[] }).tasks;
  const handovers = async () => ((await json('handovers', '--limit', '1000')) as { handovers: Handover[] }).handovers;
  const starts = (count: number, taskId?: string) =>
    expect.poll(() => ledger.starts(taskId).length, { timeout: 20_000, interval: 20 }).toBe(count);
  const allEnded = async () => {
    await expect
      .poll(async () => (await tasks()).filter((task) => !task.finishedAt).length, { timeout: 40_000, interval: 200 })
      .toBe(0);
    expect(brokenPromises(await tasks(), ledger)).toEqual([]);
  };

  it('takes over the tasks of a daemon that is killed, within the crash grace and a bit', async () => {
    config = configWith('node: {pools: {default: 4}}\n', '');
    const victim = await start('mac-1');
    const input = '{"message":"6"}\n'.repeat(4);
    await runCli(['--config', config, 'enqueue', '--from', '-'], { input });
    await starts(4);
    await start('mac-2');
    await start('mac-3');
    await sleep(600); // mac-1's presence has to have been seen once
    const killedAt = Date.now();
    victim.signal('SIGKILL');
    await starts(8);
    const delays = ledger
      .starts()
      .slice(4)
      .map((line) => line.at - killedAt);
    console.log(`kill -9 → restarted elsewhere: ${delays.join(', ')} ms`);
    expect(Math.max(...delays)).toBeLessThan(3_000);
    await allEnded();
    for (const handover of await handovers()) {
      expect(handover).toMatchObject({ from: 'mac-1', reason: 'crash', to: expect.stringMatching(/mac-[23]/) });
      expect(handover.takeoverMs).toBeGreaterThanOrEqual(1_000);
      expect(handover.takeoverMs).toBeLessThan(3_000);
    }
    expect((await json('node', 'show', 'mac-1')).state).toBe('dead');
  });

  it('ends the run of a daemon that is killed before somebody else starts it', async () => {
    const victim = await start('mac-1');
    await enqueue('30');
    await starts(1);
    await start('mac-2');
    await sleep(600); // as above
    victim.signal('SIGKILL');
    await starts(2);
    const first = ledger.starts()[0];
    await expect.poll(() => isRunning(first?.pid ?? 0), { timeout: 3_000 }).toBe(false);
    expect(ledger.lines().filter((line) => line.event === 'end')).toEqual([]);
  });

  it('lets a frozen node do no harm when it wakes', async () => {
    const frozen = await start('mac-1');
    const id = await enqueue('4');
    await starts(1);
    await start('mac-2');
    process.kill(frozen.pid, 'SIGSTOP');
    await starts(2);
    process.kill(frozen.pid, 'SIGCONT');
    await frozen.waitFor(/stood still/);
    await frozen.waitFor(/fenced[\s\S]*node is up/);
    await allEnded();
    expect(await json('task', 'show', id)).toMatchObject({ state: 'completed', node: 'mac-2', handovers: 1 });
    expect(await handovers()).toEqual([expect.objectContaining({ from: 'mac-1', to: 'mac-2', reason: 'heartbeat' })]);
    const { nodes: list } = (await json('node', 'list')) as { nodes: Node[] };
    expect(list.map(({ id: nodeId, state }) => [nodeId, state])).toEqual([
      ['mac-1', 'up'],
      ['mac-2', 'up'],
    ]);
  });

  it('takes no notice of a freeze shorter than the lease', async () => {
    const frozen = await start('mac-1');
    const id = await enqueue('3');
    await starts(1);
    await start('mac-2');
    process.kill(frozen.pid, 'SIGSTOP');
    await sleep(700); // the freeze itself
    process.kill(frozen.pid, 'SIGCONT');
    await allEnded();
    expect(await json('task', 'show', id)).toMatchObject({ state: 'completed', node: 'mac-1', handovers: 0 });
  });

  it('takes nothing over when Redis is killed and comes back', async () => {
    config = configWith('node: {pools: {default: 3}}\n');
    await start('mac-1');
    await start('mac-2');
    const input = '{"message":"6"}\n'.repeat(6);
    await runCli(['--config', config, 'enqueue', '--from', '-'], { input });
    await starts(6);
    await sleep(1_500); // everybody's presence has been seen, and the append-only file is on disk
    await server.down();
    await sleep(2_500); // longer than the lease
    await server.up();
    await allEnded();
    expect(await handovers()).toEqual([]);
    expect(ledger.starts()).toHaveLength(6);
  });

  it('declares nobody dead when Redis itself was frozen', async () => {
    await start('mac-1');
    await start('mac-2');
    const ids = [await enqueue('8'), await enqueue('8')];
    await starts(2);
    process.kill(server.pid, 'SIGSTOP');
    await sleep(4_000); // more than twice the lease
    process.kill(server.pid, 'SIGCONT');
    await allEnded();
    expect(await handovers()).toEqual([]);
    for (const id of ids) expect(await json('task', 'show', id)).toMatchObject({ state: 'completed', handovers: 0 });
  });

  it('puts the tasks of a node back at once when its daemon is started again', async () => {
    const first = await start('mac-1');
    const id = await enqueue('3');
    await starts(1);
    first.signal('SIGKILL');
    await first.exited;
    const restartedAt = Date.now();
    await start('mac-1');
    await starts(2);
    expect((ledger.starts()[1]?.at ?? 0) - restartedAt).toBeLessThan(3_000);
    await allEnded();
    expect(await json('task', 'show', id)).toMatchObject({ state: 'completed', handovers: 1, attempts: { made: 1 } });
  });

  it('gets everything done although all nodes are killed and only one comes back', async () => {
    config = configWith('node: {pools: {default: 2}}\n');
    const all = [await start('mac-1'), await start('mac-2'), await start('mac-3')];
    await runCli(['--config', config, 'enqueue', '--from', '-'], { input: '{"message":"2"}\n'.repeat(8) });
    await starts(6);
    for (const node of all) node.signal('SIGKILL');
    await Promise.all(all.map((node) => node.exited));
    await start('mac-2');
    await allEnded();
    expect((await tasks()).map((task) => task.state)).toEqual(Array(8).fill('completed'));
  });

  it('gives up a task that takes its nodes down', async () => {
    config = configWith('queue: {maxHandovers: 2}\nnode: {pools: {default: 1}}\n');
    const id = await enqueue('poison', '--attempts', '9');
    const keepUp = async (nodeId: string) => {
      while ((await json('task', 'show', id)).state !== 'failed') {
        const node = new CliProcess(['--config', config, 'node', 'run'], { CLAWMESH_NODE_ID: nodeId });
        nodes.set(nodeId, node);
        await Promise.race([node.exited, sleep(5_000)]);
      }
    };
    await keepUp('mac-1');
    const task = (await json('task', 'show', id)) as Task;
    expect(task).toMatchObject({ state: 'failed', handovers: 3, attempts: { made: 0 } });
    expect(task.error).toMatchObject({ kind: 'handover_limit', retryable: false });
    expect(ledger.starts(id)).toHaveLength(3);
  });

  it('evicts a node by hand: its tasks go on elsewhere, and it comes back as a new incarnation', async () => {
    const node = await start('mac-1');
    const id = await enqueue('3');
    await starts(1);
    await start('mac-2');
    const evicted = await cli('node', 'evict', 'mac-1');
    expect(evicted.stderr).toMatch(/declared dead; 1 tasks were put back/);
    await node.waitFor(/fenced/);
    await allEnded();
    expect(await handovers()).toEqual([expect.objectContaining({ taskId: id, from: 'mac-1', reason: 'evicted' })]);
    await expect.poll(async () => (await json('node', 'show', 'mac-1')).state, { timeout: 10_000 }).toBe('up');
  });

  it('drains a node by hand, hands back what runs too long, and lets it go on', async () => {
    config = configWith('node: {drainTimeout: 1s}\n');
    await start('mac-1');
    const long = await enqueue('20');
    await starts(1);
    await cli('node', 'drain', 'mac-1');
    await expect.poll(async () => (await json('task', 'show', long)).state, { timeout: 10_000 }).toBe('waiting');
    expect(await json('node', 'show', 'mac-1')).toMatchObject({ state: 'draining' });
    expect(await json('task', 'show', long)).toMatchObject({ handovers: 1 });
    await cli('node', 'resume', 'mac-1');
    await starts(2);
    expect(await json('node', 'show', 'mac-1')).toMatchObject({ state: 'up' });
  });

  it('keeps the outcome of a run that ends while Redis is away, also over a restart of the daemon', async () => {
    config = configWith('queue: {visibilityTimeout: 2m}\n');
    const home = emptyFolder();
    const startWithHome = async () => {
      const node = new CliProcess(['--config', config, 'node', 'run'], {
        CLAWMESH_NODE_ID: 'mac-1',
        CLAWMESH_HOME: home,
      });
      nodes.set('mac-1', node);
      return node;
    };
    const first = await startWithHome();
    await first.waitFor(/node is up/);
    const id = await enqueue('1');
    await starts(1);
    await sleep(300); // the append-only file is written once a second
    await server.down('SIGTERM');
    await first.waitFor(/kept on disk/);
    await first.kill();
    await server.up();
    const second = await startWithHome();
    await second.waitFor(/outcome of a former life is delivered/);
    await allEnded();
    expect(await json('task', 'show', id)).toMatchObject({
      state: 'completed',
      handovers: 0,
      result: { text: 'done' },
    });
    expect(ledger.starts(id)).toHaveLength(1);
    expect(await json('node', 'show', 'mac-1')).toMatchObject({ journal: { pending: 0, discarded: 0 } });
  });

  it('discards an outcome whose task went on elsewhere meanwhile, and shows it', async () => {
    const home = emptyFolder();
    const slow = new CliProcess(['--config', config, 'node', 'run'], {
      CLAWMESH_NODE_ID: 'mac-1',
      CLAWMESH_HOME: home,
    });
    nodes.set('mac-1', slow);
    await slow.waitFor(/node is up/);
    const id = await enqueue('1');
    await starts(1);
    await server.down('SIGTERM');
    await slow.waitFor(/kept on disk/);
    await slow.kill();
    await server.up();
    await start('mac-2');
    await allEnded();
    expect(await json('task', 'show', id)).toMatchObject({ state: 'completed', node: 'mac-2', handovers: 1 });
    const back = new CliProcess(['--config', config, 'node', 'run'], {
      CLAWMESH_NODE_ID: 'mac-1',
      CLAWMESH_HOME: home,
    });
    nodes.set('mac-1', back);
    await back.waitFor(/outcome discarded/);
    await expect
      .poll(async () => (await json('node', 'show', 'mac-1')).journal, { timeout: 10_000 })
      .toEqual({ pending: 0, discarded: 1 });
  });

  describe('drill failover', () => {
    const drill = async (...args: string[]) => {
      const { code, stdout, stderr } = await cli('drill', 'failover', '--json', ...args);
      return { code, stderr, report: stdout ? JSON.parse(stdout) : undefined };
    };

    it('takes a node down for real and reports the measured times', async () => {
      const victim = await start('mac-1');
      await start('mac-2');
      await sleep(600); // presence has to have been seen
      const { code, report } = await drill('--node', 'mac-1');
      console.log('drill crash:', JSON.stringify(report));
      expect(await victim.exited).toBeNull();
      expect(report).toMatchObject({ node: 'mac-1', kind: 'crash', lost: 0, unexplained: 0, ok: true });
      expect(report.totalMs).toBeGreaterThan(900);
      expect(report.totalMs).toBeLessThanOrEqual(report.promisedMs);
      expect(code).toBe(0);
      expect(ledger.starts()).toEqual([]);
    });

    it('freezes a node, which comes back by itself', async () => {
      await start('mac-1');
      const victim = await start('mac-2');
      const { code, report } = await drill('--node', 'mac-2', '--kill', 'freeze');
      console.log('drill freeze:', JSON.stringify(report));
      expect(report).toMatchObject({ node: 'mac-2', kind: 'freeze', lost: 0, unexplained: 0, ok: true });
      expect(code).toBe(0);
      await victim.waitFor(/fenced[\s\S]*node is up/);
    });

    it('is refused where there is nobody to take over, and asks before it touches a busy mesh', async () => {
      await start('mac-1');
      expect(await drill()).toMatchObject({ code: 1, stderr: expect.stringContaining('a failover takes two') });
      await start('mac-2');
      await enqueue('20');
      await starts(1);
      expect(await drill()).toMatchObject({ code: 2, stderr: expect.stringContaining('--yes') });
    });
  });
});
