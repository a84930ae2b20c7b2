import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { emptyFolder } from '../../support/folders.ts';
import { ProcessMesh } from '../../support/process-mesh.ts';
import { RedisProxy } from '../../support/redis-proxy.ts';

const preload = (name: string) => ({
  NODE_OPTIONS: `--import ${fileURLToPath(new URL(`../../support/preload/${name}.mjs`, import.meta.url))}`,
});

/** Something breaks at one exact moment: a proxy in front of Redis sees it come, and strikes. */
describe('failover at the worst moment', () => {
  let mesh: ProcessMesh;
  let proxy: RedisProxy;

  beforeEach(async () => {
    mesh = await ProcessMesh.start();
    proxy = await RedisProxy.start(mesh.server.port);
  });
  afterEach(async () => {
    await mesh.stop();
    await proxy.stop();
  });

  /** A node whose way to Redis leads through the proxy. */
  const startBehindProxy = (nodeId: string, more = '') =>
    mesh.startNode(nodeId, { config: mesh.configWith(more, { url: proxy.url }) });
  const history = async (id: string) => (await mesh.task(id)).history.map((entry) => entry.event);

  it('runs a claim whose reply was lost with the connection, on the same node, once', async () => {
    const node = await startBehindProxy('mac-1');
    const lost = proxy.once('onReply', /"message":"0.1"/, () => 'cut');
    const id = await mesh.queueOne('0.1');
    await lost;
    await node.waitFor(/the reply to this claim was lost/);
    await mesh.allEnded();
    expect(await history(id)).toEqual(['enqueued', 'claimed', 'completed']);
    expect(mesh.ledger.starts(id)).toHaveLength(1);
    expect(await mesh.handovers()).toEqual([]);
  });

  it('runs the task that was claimed with a completion whose reply was lost', async () => {
    const node = await startBehindProxy('mac-1', 'node: {pools: {default: 1}}\n');
    const first = await mesh.queueOne('hold');
    await mesh.starts(1);
    const second = await mesh.queueOne('0.1');
    const lost = proxy.once('onReply', /"message":"0.1"/, () => 'cut');
    mesh.ledger.release();
    await lost;
    await node.waitFor(/the reply to this claim was lost/);
    await mesh.allEnded();
    for (const id of [first, second]) expect(await history(id)).toEqual(['enqueued', 'claimed', 'completed']);
    expect(mesh.ledger.starts()).toHaveLength(2);
  });

  it('takes over from a node that is killed while it claims', async () => {
    const node = await startBehindProxy('mac-1');
    await mesh.presenceSeen('mac-1');
    const struck = proxy.once('onReply', /"message":"0.1"/, () => {
      node.signal('SIGKILL');
      return 'cut';
    });
    const id = await mesh.queueOne('0.1');
    await struck;
    await mesh.startNode('mac-2');
    await mesh.allEnded();
    expect(await mesh.task(id)).toMatchObject({ state: 'completed', node: 'mac-2', handovers: 1 });
    expect(mesh.ledger.starts(id)).toHaveLength(1);
  });

  it('completes a task once if its node is killed right after it reported', async () => {
    const node = await startBehindProxy('mac-1');
    const reported = proxy.once('onRequest', /returnvalue/, () => {
      node.signal('SIGKILL'); // what it sent is passed on
    });
    const id = await mesh.queueOne('0.1');
    await reported;
    await mesh.startNode('mac-2');
    await mesh.allEnded();
    expect(await mesh.task(id)).toMatchObject({ state: 'completed', node: 'mac-1', handovers: 0 });
    expect(mesh.ledger.starts(id)).toHaveLength(1);
  });

  it('runs a task again if its node is killed right before its report arrives', async () => {
    const node = await startBehindProxy('mac-1');
    await mesh.presenceSeen('mac-1');
    const reported = proxy.once('onRequest', /returnvalue/, () => {
      node.signal('SIGKILL');
      return 'cut';
    });
    const id = await mesh.queueOne('0.1');
    await reported;
    await mesh.startNode('mac-2');
    await mesh.allEnded();
    expect(await mesh.task(id)).toMatchObject({ state: 'completed', node: 'mac-2', handovers: 1 });
    expect(mesh.ledger.starts(id)).toHaveLength(2);
  });

  it('reports again when the connection breaks under a report, and never takes the success for a failure', async () => {
    await startBehindProxy('mac-1');
    const broken = proxy.once('onRequest', /returnvalue/, () => 'cut');
    const id = await mesh.queueOne('0.1', { attempts: 1 });
    await broken;
    await mesh.allEnded();
    expect(await mesh.task(id)).toMatchObject({ state: 'completed', node: 'mac-1', handovers: 0 });
    expect(mesh.ledger.starts(id)).toHaveLength(1);
  });

  it('completes the work of a sweeper that is killed right after it declared a node dead', async () => {
    await mesh.startNode('mac-1');
    const id = await mesh.queueOne('hold');
    await mesh.starts(1);
    const sweeper = await startBehindProxy('mac-2');
    await mesh.presenceSeen('mac-1', 'mac-2');
    const struck = proxy.once('onReply', /\$5\r\nmac-1\r\n[\s\S]*\r\n(crash|heartbeat)\r\n/, () => {
      sweeper.signal('SIGKILL');
      return 'cut';
    });
    await mesh.kill('mac-1');
    await struck;
    await mesh.startNode('mac-3');
    await mesh.starts(2);
    mesh.ledger.release();
    await mesh.allEnded();
    expect(await mesh.task(id)).toMatchObject({ state: 'completed', node: 'mac-3', handovers: 1 });
  });

  it('takes over from two nodes that are killed at once', async () => {
    mesh.config = mesh.configWith('node: {pools: {default: 4}}\n');
    const victims = await mesh.startNodes('mac-1', 'mac-2');
    await mesh.queueMany(8, 'hold');
    await mesh.starts(8);
    await mesh.startNode('mac-3');
    await mesh.presenceSeen('mac-1', 'mac-2');
    for (const victim of victims) victim.signal('SIGKILL');
    await mesh.starts(12);
    mesh.ledger.release();
    await mesh.allEnded();
    expect(new Set((await mesh.tasks()).map((task) => task.node))).toEqual(new Set(['mac-3']));
  });

  it('requeues all 100 tasks of a dying node, each once', async () => {
    mesh.config = mesh.configWith('node: {pools: {default: 100}}\n', { openclaw: 'mode: simulate' });
    await mesh.startNode('mac-1');
    await mesh.queueMany(100, 'sleep 1h');
    await expect.poll(async () => (await mesh.snapshot()).pools.default?.active).toBe(100);
    await mesh.startNode('mac-2');
    await mesh.presenceSeen('mac-1');
    await mesh.kill('mac-1');
    await expect.poll(async () => (await mesh.handovers()).filter(({ to }) => to === 'mac-2').length).toBe(100);
    const handovers = await mesh.handovers();
    expect(new Set(handovers.map((handover) => handover.taskId)).size).toBe(100);
    expect(handovers.every(({ from, reason }) => from === 'mac-1' && reason === 'crash')).toBe(true);
    const tasks = await mesh.tasks();
    expect(tasks.every(({ state, node }) => state === 'active' && node === 'mac-2')).toBe(true);
  });

  it('works with a node whose clock is 10 minutes fast, without a dead node or a wrong time', async () => {
    await mesh.startNode('mac-1', { env: preload('wrong-clock') });
    const before = Date.now();
    const ran = await mesh.queueOne('0.1');
    const delayed = await mesh.queueOne('0.1', { delay: '1s' });
    await mesh.startNode('mac-2');
    await mesh.allEnded();
    expect(await mesh.handovers()).toEqual([]);
    const after = Date.now();
    for (const id of [ran, delayed]) {
      for (const { at } of (await mesh.task(id)).history) {
        expect(Date.parse(at)).toBeGreaterThanOrEqual(before - 1);
        expect(Date.parse(at)).toBeLessThanOrEqual(after + 1);
      }
    }
    const task = await mesh.task(delayed);
    expect(Date.parse(task.startedAt ?? '') - Date.parse(task.enqueuedAt)).toBeGreaterThanOrEqual(1_000);
    // Fast or not, a node that is killed is taken over from.
    const cutOff = await mesh.queueOne('hold', { node: 'mac-1', nodeFallback: true });
    await mesh.starts(1, cutOff);
    await mesh.presenceSeen('mac-1');
    await mesh.kill('mac-1');
    await mesh.starts(2, cutOff);
    mesh.ledger.release();
    await mesh.allEnded();
    expect(await mesh.task(cutOff)).toMatchObject({ node: 'mac-2', handovers: 1 });
  });

  it('fences a node whose event loop was blocked for longer than its lease', async () => {
    const until = join(emptyFolder(), 'until');
    const env = { ...preload('block-until-file'), BLOCKED_UNTIL: until };
    const blocked = await mesh.startNode('mac-1', { env });
    const id = await mesh.queueOne('hold');
    await mesh.starts(1);
    await mesh.startNode('mac-2');
    blocked.signal('SIGUSR2');
    await blocked.waitFor(/the event loop is blocked/);
    await mesh.lapse('mac-1');
    writeFileSync(until, '');
    await blocked.waitFor(/fenced[\s\S]*node is up/);
    mesh.ledger.release();
    await mesh.allEnded();
    expect(await mesh.task(id)).toMatchObject({ state: 'completed', node: 'mac-2', handovers: 1 });
    expect(mesh.ledger.ends().map((line) => line.node)).toEqual(['mac-2']);
  });

  it('lets a resumed node run its own old task again, once', async () => {
    await mesh.startNode('mac-1');
    const id = await mesh.queueOne('hold');
    await mesh.starts(1);
    await mesh.startNode('mac-2');
    await mesh.cli('node', 'drain', 'mac-2'); // it sweeps, and takes nothing
    await mesh.nodeState('mac-2', 'draining');
    mesh.freeze('mac-1');
    await mesh.lapse('mac-1');
    await mesh.taskState(id, 'waiting');
    mesh.thaw('mac-1');
    await mesh.starts(2);
    mesh.ledger.release();
    await mesh.allEnded();
    expect(await mesh.task(id)).toMatchObject({ state: 'completed', node: 'mac-1', handovers: 1 });
    expect(mesh.ledger.starts(id)).toHaveLength(2);
    expect(mesh.ledger.ends()).toHaveLength(1);
  });

  it('wakes another node for a task whose wake-up went to a frozen one', async () => {
    const frozen = ['mac-1', 'mac-2', 'mac-3'];
    await mesh.startNodes(...frozen, 'mac-4');
    const { redis } = await mesh.store();
    await expect.poll(() => redis.info('clients')).toMatch(/blocked_clients:4\b/);
    for (const id of frozen) mesh.freeze(id);
    for (let round = 1; round <= 3; round++) {
      const id = await mesh.queueOne('0.1');
      await mesh.taskState(id, 'completed');
      expect((await mesh.task(id)).node).toBe('mac-4');
    }
    // Nothing was declared dead for it: a frozen node keeps its lease, and has taken nothing but wake-ups.
    for (const id of frozen) expect((await mesh.nodeRecord(id)).state).toBe('up');
  });
});
