import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CliProcess } from '../support/cli.ts';
import { FAST_HEALTH, FailoverMesh } from '../support/failover-mesh.ts';
import { RedisProxy } from '../support/redis-proxy.ts';

const preload = (name: string) => ({
  NODE_OPTIONS: `--import ${fileURLToPath(new URL(`../support/preload/${name}.mjs`, import.meta.url))}`,
});

/** Something breaks at one exact moment: a proxy in front of Redis sees it come, and strikes. */
describe('failover at the worst moment', () => {
  let mesh: FailoverMesh;
  let proxy: RedisProxy;

  beforeEach(async () => {
    mesh = await FailoverMesh.start();
    proxy = await RedisProxy.start(mesh.server.port);
  });
  afterEach(async () => {
    await mesh.stop();
    await proxy.stop();
  });

  /** A node whose way to Redis leads through the proxy. */
  const startBehindProxy = (nodeId: string, more = '') =>
    mesh.startNode(nodeId, { config: mesh.configWith(more, FAST_HEALTH, proxy.url) });
  const history = async (id: string) => (await mesh.task(id)).history.map((entry) => entry.event);
  /** A node's presence has to be seen once before its absence means anything; two sweeps. */
  const presenceSeen = () => sleep(600);

  it('goes on with a claim whose answer was lost with the connection, on the same node, at once', async () => {
    const node = await startBehindProxy('mac-1');
    const lost = proxy.once('onReply', /"message":"1"/, () => 'cut');
    const id = await mesh.enqueue('1');
    await lost;
    await node.waitFor(/the answer to this claim was lost/);
    await mesh.allEnded();
    expect(await history(id)).toEqual(['enqueued', 'claimed', 'completed']);
    expect(mesh.ledger.starts(id)).toHaveLength(1);
    expect(await mesh.handovers()).toEqual([]);
  });

  it('goes on with the task that was fetched with a completion whose answer was lost', async () => {
    const node = await startBehindProxy('mac-1', 'node: {pools: {default: 1}}\n');
    const first = await mesh.enqueue('1');
    await mesh.starts(1);
    const second = await mesh.enqueue('0.5');
    await proxy.once('onReply', /"message":"0.5"/, () => 'cut');
    await node.waitFor(/the answer to this claim was lost/);
    await mesh.allEnded();
    for (const id of [first, second]) expect(await history(id)).toEqual(['enqueued', 'claimed', 'completed']);
    expect(mesh.ledger.starts()).toHaveLength(2);
  });

  it('takes over from a node that is killed while it claims', async () => {
    const node = await startBehindProxy('mac-1');
    await presenceSeen();
    const struck = proxy.once('onReply', /"message":"1"/, () => {
      node.signal('SIGKILL');
      return 'cut';
    });
    const id = await mesh.enqueue('1');
    await struck;
    await mesh.startNode('mac-2');
    await mesh.allEnded();
    expect(await mesh.task(id)).toMatchObject({ state: 'completed', node: 'mac-2', handovers: 1 });
    expect(mesh.ledger.starts(id)).toHaveLength(1);
  });

  it('completes once where a node is killed right after it reported', async () => {
    const node = await startBehindProxy('mac-1');
    const id = await mesh.enqueue('0.2');
    await proxy.once('onRequest', /returnvalue/, () => {
      node.signal('SIGKILL'); // what it sent is passed on
    });
    await mesh.startNode('mac-2');
    await mesh.allEnded();
    expect(await mesh.task(id)).toMatchObject({ state: 'completed', node: 'mac-1', handovers: 0 });
    expect(mesh.ledger.starts(id)).toHaveLength(1);
  });

  it('runs a task again whose node is killed right before its report arrives', async () => {
    const node = await startBehindProxy('mac-1');
    await presenceSeen();
    const id = await mesh.enqueue('0.2');
    await proxy.once('onRequest', /returnvalue/, () => {
      node.signal('SIGKILL');
      return 'cut';
    });
    await mesh.startNode('mac-2');
    await mesh.allEnded();
    expect(await mesh.task(id)).toMatchObject({ state: 'completed', node: 'mac-2', handovers: 1 });
    expect(mesh.ledger.starts(id)).toHaveLength(2);
  });

  it('reports again when the connection breaks under a report, and never takes the success for a failure', async () => {
    await startBehindProxy('mac-1');
    const id = await mesh.enqueue('0.2', '--attempts', '1');
    await proxy.once('onRequest', /returnvalue/, () => 'cut');
    await mesh.allEnded();
    expect(await mesh.task(id)).toMatchObject({ state: 'completed', node: 'mac-1', handovers: 0 });
    expect(mesh.ledger.starts(id)).toHaveLength(1);
  });

  it('finishes what a sweeper began that is killed once it has declared a node dead', async () => {
    const victim = await mesh.startNode('mac-1');
    const id = await mesh.enqueue('3');
    await mesh.starts(1);
    const sweeper = await startBehindProxy('mac-2');
    await presenceSeen();
    const struck = proxy.once('onReply', /\$5\r\nmac-1\r\n[\s\S]*\r\n(crash|heartbeat)\r\n/, () => {
      sweeper.signal('SIGKILL');
      return 'cut';
    });
    victim.signal('SIGKILL');
    await struck;
    await mesh.startNode('mac-3');
    await mesh.allEnded();
    expect(await mesh.task(id)).toMatchObject({ state: 'completed', node: 'mac-3', handovers: 1 });
  });

  it('takes over from two nodes that are killed at once', async () => {
    mesh.config = mesh.configWith('node: {pools: {default: 4}}\n');
    const victims = [await mesh.startNode('mac-1'), await mesh.startNode('mac-2')];
    await mesh.enqueueMany(8, '3');
    await mesh.starts(8);
    await mesh.startNode('mac-3');
    await presenceSeen();
    for (const victim of victims) victim.signal('SIGKILL');
    await mesh.starts(12);
    await mesh.allEnded();
    expect(new Set((await mesh.tasks()).map((task) => task.node))).toEqual(new Set(['mac-3']));
  });

  it('puts all 200 tasks of a dying node back, each once', async () => {
    // The default lease: starting 200 runs may hold a slow machine's heartbeat up, and this is about a crash.
    mesh.config = mesh.configWith('node: {pools: {default: 200}}\n', 'heartbeatInterval: 5s, missedHeartbeats: 3');
    const victim = await mesh.startNode('mac-1');
    await mesh.enqueueMany(200, '10');
    await mesh.starts(200);
    await mesh.startNode('mac-2');
    await presenceSeen();
    const killedAt = Date.now();
    victim.signal('SIGKILL');
    await expect.poll(async () => (await mesh.handovers()).length, { timeout: 10_000 }).toBe(200);
    const handovers = await mesh.handovers();
    const slowest = Math.max(...handovers.map((handover) => Date.parse(handover.at))) - killedAt;
    console.log(`200 tasks put back ${slowest} ms after the kill`);
    expect(new Set(handovers.map((handover) => handover.taskId)).size).toBe(200);
    expect(handovers.every(({ from, reason }) => from === 'mac-1' && reason === 'crash')).toBe(true);
    await mesh.starts(400);
    await mesh.allEnded();
  }, 120_000);

  it('works with a node whose clock is 10 minutes fast: nobody is declared dead, and times are true', async () => {
    await mesh.startNode('mac-1', { env: preload('wrong-clock') });
    const before = Date.now();
    const ran = await mesh.enqueue('2');
    const delayed = await mesh.enqueue('0.1', '--delay', '3s');
    await mesh.startNode('mac-2');
    await mesh.allEnded();
    expect(await mesh.handovers()).toEqual([]);
    for (const id of [ran, delayed]) {
      const task = await mesh.task(id);
      for (const { at } of task.history) expect(Math.abs(Date.parse(at) - before)).toBeLessThan(60_000);
    }
    const task = await mesh.task(delayed);
    expect(Date.parse(task.startedAt ?? '') - Date.parse(task.enqueuedAt)).toBeGreaterThanOrEqual(3_000);
    // Fast or not, a node that is killed is taken over from.
    await mesh.cli('node', 'drain', 'mac-2');
    const cutOff = await mesh.enqueue('3');
    await mesh.starts(1, cutOff);
    await mesh.cli('node', 'resume', 'mac-2');
    mesh.nodes.get('mac-1')?.signal('SIGKILL');
    await mesh.allEnded();
    expect(await mesh.task(cutOff)).toMatchObject({ node: 'mac-2', handovers: 1 });
  });

  it('fences a node whose event loop was blocked for longer than its lease', async () => {
    const blocked = await mesh.startNode('mac-1', { env: preload('block-on-signal') });
    const id = await mesh.enqueue('6');
    await mesh.starts(1);
    await mesh.startNode('mac-2');
    blocked.signal('SIGUSR2');
    await blocked.waitFor(/fenced[\s\S]*node is up/);
    await mesh.allEnded();
    expect(await mesh.task(id)).toMatchObject({ state: 'completed', node: 'mac-2', handovers: 1 });
    const ends = mesh.ledger.lines().filter((line) => line.event === 'end');
    expect(ends.map((line) => line.node)).toEqual(['mac-2']);
  });

  it('lets a woken node take its own old task again, once', async () => {
    const frozen = await mesh.startNode('mac-1');
    // The run itself is not frozen: it has to outlast the lease, and a slow machine's way to it.
    const id = await mesh.enqueue('10');
    await mesh.starts(1);
    await mesh.startNode('mac-2');
    await mesh.cli('node', 'drain', 'mac-2'); // it sweeps, and takes nothing
    process.kill(frozen.pid, 'SIGSTOP');
    await expect.poll(async () => (await mesh.task(id)).state, { timeout: 10_000 }).toBe('waiting');
    process.kill(frozen.pid, 'SIGCONT');
    await mesh.starts(2);
    await mesh.allEnded();
    expect(await mesh.task(id)).toMatchObject({ state: 'completed', node: 'mac-1', handovers: 1 });
    expect(mesh.ledger.starts(id)).toHaveLength(2);
    expect(mesh.ledger.lines().filter((line) => line.event === 'end')).toHaveLength(1);
  });

  it('wakes another node for a task whose wake-up went to a frozen one', async () => {
    mesh.config = mesh.configWith('', 'heartbeatInterval: 5s, missedHeartbeats: 3');
    const frozen: CliProcess[] = [];
    for (const id of ['mac-1', 'mac-2', 'mac-3']) frozen.push(await mesh.startNode(id));
    const awake = await mesh.startNode('mac-4');
    await sleep(5_500); // all of them wait in Redis, for as long as they ever do
    for (const node of frozen) process.kill(node.pid, 'SIGSTOP');
    for (let round = 1; round <= 3; round++) {
      const id = await mesh.enqueue('0.1');
      await mesh.starts(1, id);
      const task = await mesh.task(id);
      const waitedMs = Date.parse(task.startedAt ?? '') - Date.parse(task.enqueuedAt);
      console.log(`enqueued beside three frozen idle nodes → claimed: ${waitedMs} ms`);
      expect(task.node).toBe('mac-4');
      // Once mac-4 has seen it, at its next heartbeat (5 s) or sweep (4 s), it wakes one more node each 0.25 s.
      expect(waitedMs).toBeLessThan(6_500);
    }
    expect(awake.output).not.toMatch(/declared dead/);
  });

  it('drills a drain: what runs ends where it is, and the node goes on afterwards', async () => {
    await mesh.startNode('mac-1');
    await mesh.startNode('mac-2');
    const { code, stdout } = await mesh.cli('drill', 'failover', '--node', 'mac-1', '--kill', 'drain', '--json');
    expect(JSON.parse(stdout)).toMatchObject({ node: 'mac-1', kind: 'drain', lost: 0, unexplained: 0, ok: true });
    expect(code).toBe(0);
    await expect.poll(async () => (await mesh.json('node', 'show', 'mac-1')).state, { timeout: 10_000 }).toBe('up');
  });

  it.skipIf(process.platform !== 'linux')('asks a person before it drills a busy mesh', async () => {
    await mesh.startNode('mac-1');
    await mesh.startNode('mac-2');
    const id = await mesh.enqueue('5');
    await mesh.starts(1);
    const { code, stdout } = await mesh.onTerminal(['drill', 'failover'], 'n\n');
    expect(stdout).toMatch(/1 tasks are running; the drill may cut them off. Go on\? \[y\/N\]/);
    expect(stdout).toMatch(/no drill was made/);
    expect(code).toBe(130);
    await mesh.allEnded();
    expect(await mesh.task(id)).toMatchObject({ handovers: 0 });
  });
});
