import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { emptyFolder } from '../support/folders.ts';
import { ProcessMesh, shiftTimes } from '../support/process-mesh.ts';
import { isRunning } from '../support/processes.ts';

/** Longer than any lease here, ms. */
const TEN_MINUTES = 600_000;
/** The default, ms. */
const CRASH_GRACE_MS = 1_000;

describe('failover', () => {
  let mesh: ProcessMesh;

  beforeEach(async () => {
    mesh = await ProcessMesh.start();
  });
  afterEach(() => mesh.stop());

  it('takes over the tasks of a killed daemon once the crash grace is over, long before its lease ends', async () => {
    mesh.config = mesh.configWith('node: {pools: {default: 4}}\n');
    await mesh.startNode('mac-1');
    await mesh.queueMany(4, 'hold');
    await mesh.starts(4);
    await mesh.startNodes('mac-2', 'mac-3');
    await mesh.presenceSeen('mac-1');
    await mesh.kill('mac-1');
    await mesh.starts(8);
    mesh.ledger.release();
    await mesh.allEnded();
    const handovers = await mesh.handovers();
    expect(handovers).toHaveLength(4);
    for (const handover of handovers) {
      expect(handover).toMatchObject({ from: 'mac-1', reason: 'crash', to: expect.stringMatching(/mac-[23]/) });
      expect(handover.takeoverMs).toBeGreaterThanOrEqual(CRASH_GRACE_MS);
    }
    expect((await mesh.json('node', 'show', 'mac-1')).state).toBe('dead');
  });

  it('ends the run of a killed daemon, so that it never completes beside its successor', async () => {
    await mesh.startNode('mac-1');
    await mesh.queueOne('hold');
    await mesh.starts(1);
    await mesh.startNode('mac-2');
    await mesh.presenceSeen('mac-1');
    await mesh.kill('mac-1');
    await mesh.starts(2);
    const [first, second] = mesh.ledger.starts();
    await expect.poll(() => isRunning(first?.pid ?? 0)).toBe(false);
    mesh.ledger.release();
    await mesh.allEnded();
    expect(mesh.ledger.ends()).toEqual([expect.objectContaining({ pid: second?.pid, node: 'mac-2' })]);
  });

  it('lets a frozen node do no harm when it wakes', async () => {
    const frozen = await mesh.startNode('mac-1');
    const id = await mesh.queueOne('hold');
    await mesh.starts(1);
    await mesh.startNode('mac-2');
    mesh.freeze('mac-1');
    await mesh.lapse('mac-1');
    await mesh.starts(2);
    mesh.thaw('mac-1');
    await frozen.waitFor(/fenced[\s\S]*node is up/);
    mesh.ledger.release();
    await mesh.allEnded();
    expect(await mesh.json('task', 'show', id)).toMatchObject({ state: 'completed', node: 'mac-2', handovers: 1 });
    expect(await mesh.handovers()).toEqual([
      expect.objectContaining({ from: 'mac-1', to: 'mac-2', reason: 'heartbeat' }),
    ]);
    expect(mesh.ledger.ends().map(({ node }) => node)).toEqual(['mac-2']);
    await mesh.nodeState('mac-1', 'up');
  });

  it('leaves the tasks of a node to it if it freezes for less than its lease', async () => {
    await mesh.startNode('mac-1');
    const id = await mesh.queueOne('hold');
    await mesh.starts(1);
    await mesh.startNode('mac-2');
    mesh.freeze('mac-1');
    // Others look at the mesh twice meanwhile.
    const { redis, keys } = await mesh.store();
    for (let sweeps = 0; sweeps < 2; sweeps++) {
      const before = await redis.hget(keys.sweep, 'lastAt');
      await expect.poll(() => redis.hget(keys.sweep, 'lastAt')).not.toBe(before);
    }
    mesh.thaw('mac-1');
    mesh.ledger.release();
    await mesh.allEnded();
    expect(await mesh.json('task', 'show', id)).toMatchObject({ state: 'completed', node: 'mac-1', handovers: 0 });
  });

  it('takes nothing over if Redis was away for longer than every lease', async () => {
    mesh.config = mesh.configWith('queue: {visibilityTimeout: 1h}\nnode: {pools: {default: 3}}\n');
    await mesh.startNodes('mac-1', 'mac-2');
    await mesh.queueMany(6, 'hold');
    await mesh.starts(6);
    await mesh.presenceSeen('mac-1', 'mac-2');
    const { keys } = await mesh.store();
    await mesh.server.down();
    await mesh.server.whileDown((redis) => shiftTimes(redis, keys, -TEN_MINUTES));
    await mesh.server.up();
    mesh.ledger.release();
    await mesh.allEnded();
    expect(await mesh.handovers()).toEqual([]);
    expect(mesh.ledger.starts()).toHaveLength(6);
  });

  it('declares no node dead if Redis itself stood still for longer than every lease', async () => {
    await mesh.startNodes('mac-1', 'mac-2');
    const ids = await mesh.queueMany(2, 'hold');
    await mesh.starts(2);
    await mesh.presenceSeen('mac-1', 'mac-2');
    await mesh.passTime(TEN_MINUTES);
    const { redis, keys } = await mesh.store();
    const before = Number(await redis.hget(keys.sweep, 'lastAt'));
    await expect.poll(async () => Number(await redis.hget(keys.sweep, 'lastAt'))).toBeGreaterThan(before);
    mesh.ledger.release();
    await mesh.allEnded();
    expect(await mesh.handovers()).toEqual([]);
    for (const id of ids) expect(await mesh.task(id)).toMatchObject({ state: 'completed', handovers: 0 });
  });

  it('continues its runs when Redis’ clock jumps past the visibility timeout', async () => {
    await mesh.startNodes('mac-1', 'mac-2');
    const ids = await mesh.queueMany(2, 'hold');
    await mesh.starts(2);
    await mesh.presenceSeen('mac-1', 'mac-2');
    const { redis, keys } = await mesh.store();
    const locks = () => redis.exists(...ids.map((id) => `${keys.task('default', id)}:lock`));
    await mesh.passTime(6 * TEN_MINUTES);
    // Each look through all claims is five seconds after the one before.
    for (let looks = 0; looks < 2; looks++) {
      const before = await redis.hget(keys.sweep, 'passAt');
      await expect.poll(() => redis.hget(keys.sweep, 'passAt')).not.toBe(before);
    }
    expect(await mesh.handovers()).toEqual([]);
    mesh.ledger.release();
    await mesh.allEnded();
    expect(await locks()).toBe(0);
    for (const id of ids) expect(await mesh.task(id)).toMatchObject({ state: 'completed', handovers: 0 });
    expect(mesh.ledger.starts()).toHaveLength(2);
  });

  it('renews its claims as soon as it reconnects, so that none lapses on a Redis whose clock is ahead', async () => {
    await mesh.startNode('mac-1');
    const id = await mesh.queueOne('hold');
    await mesh.starts(1);
    const lock = `${(await mesh.store()).keys.task('default', id)}:lock`;
    await mesh.server.down();
    await mesh.server.whileDown((client) => client.del(lock));
    await mesh.server.up();
    await expect.poll(async () => (await mesh.store()).redis.exists(lock)).toBe(1);
    mesh.ledger.release();
    await mesh.allEnded();
    expect(await mesh.task(id)).toMatchObject({ state: 'completed', handovers: 0 });
  });

  it('requeues the tasks of a node when its daemon is started again, without waiting for its lease', async () => {
    await mesh.startNode('mac-1');
    const id = await mesh.queueOne('hold');
    await mesh.starts(1);
    await mesh.kill('mac-1');
    await mesh.startNode('mac-1');
    await mesh.starts(2);
    mesh.ledger.release();
    await mesh.allEnded();
    expect(await mesh.json('task', 'show', id)).toMatchObject({
      state: 'completed',
      handovers: 1,
      attempts: { made: 1 },
    });
  });

  it('completes everything although all nodes are killed and only one comes back', async () => {
    mesh.config = mesh.configWith('node: {pools: {default: 2}}\n');
    const all = await mesh.startNodes('mac-1', 'mac-2', 'mac-3');
    await mesh.queueMany(8, 'hold');
    await mesh.starts(6);
    await mesh.presenceSeen('mac-1', 'mac-2', 'mac-3');
    await Promise.all(all.map((node) => node.kill()));
    mesh.ledger.release();
    await mesh.startNode('mac-2');
    await mesh.allEnded();
    expect((await mesh.tasks()).map((task) => task.state)).toEqual(Array(8).fill('completed'));
  });

  it('fails a task that has brought down more nodes than it may', async () => {
    mesh.config = mesh.configWith('queue: {maxHandovers: 3}\nnode: {pools: {default: 1}}\n');
    const id = await mesh.queueOne('poison', { attempts: 9 });
    for (let incarnation = 1; incarnation <= 4; incarnation++) await mesh.launchNode('mac-1').exited;
    mesh.launchNode('mac-1');
    await mesh.taskState(id, 'failed');
    const task = await mesh.task(id);
    expect(task).toMatchObject({ state: 'failed', handovers: 4, attempts: { made: 0 } });
    expect(task.error).toMatchObject({ kind: 'handover_limit', retryable: false });
    expect(mesh.ledger.starts(id)).toHaveLength(4);
    const { events } = await mesh.json('events');
    const told = (events as { event: string; task: string }[]).filter((event) => event.task === id);
    expect(told.map(({ event }) => event)).toEqual(['repeated-failover', 'dead-letter']);
  });

  it('evicts a node by hand: its tasks run elsewhere, and it comes back as a new incarnation', async () => {
    const node = await mesh.startNode('mac-1');
    const id = await mesh.queueOne('hold');
    await mesh.starts(1);
    await mesh.startNode('mac-2');
    // Or one of their sweeps may requeue the task before the command does.
    for (const id of ['mac-1', 'mac-2']) mesh.freeze(id);
    const evicted = await mesh.cli('node', 'evict', 'mac-1');
    expect(evicted.stderr).toMatch(/declared dead; 1 task was requeued/);
    for (const id of ['mac-1', 'mac-2']) mesh.thaw(id);
    await node.waitFor(/fenced/);
    await mesh.starts(2);
    mesh.ledger.release();
    await mesh.allEnded();
    expect(await mesh.handovers()).toEqual([expect.objectContaining({ taskId: id, from: 'mac-1', reason: 'evicted' })]);
    await mesh.nodeState('mac-1', 'up');
  });

  it('drains a node by hand, releases what runs too long, and lets it resume', async () => {
    mesh.config = mesh.configWith('node: {drainTimeout: 1s}\n');
    await mesh.startNode('mac-1');
    const id = await mesh.queueOne('hold');
    await mesh.starts(1);
    await mesh.cli('node', 'drain', 'mac-1');
    await mesh.taskState(id, 'waiting');
    await mesh.nodeState('mac-1', 'draining');
    expect(await mesh.task(id)).toMatchObject({ handovers: 1 });
    await mesh.cli('node', 'resume', 'mac-1');
    await mesh.starts(2);
    await mesh.nodeState('mac-1', 'up');
  });

  it('keeps the outcome of a run that ends while Redis is away, even across a restart of the daemon', async () => {
    mesh.config = mesh.configWith('queue: {visibilityTimeout: 1h}\n');
    const env = { CLAWMESH_HOME: emptyFolder() };
    const first = await mesh.startNode('mac-1', { env });
    const id = await mesh.queueOne('hold');
    await mesh.starts(1);
    await mesh.server.down('SIGTERM');
    mesh.ledger.release();
    await first.waitFor(/kept on disk/);
    await first.kill();
    await mesh.server.up();
    const second = mesh.launchNode('mac-1', { env });
    await second.waitFor(/delivering the outcome of the previous incarnation/);
    await mesh.allEnded();
    expect(await mesh.task(id)).toMatchObject({ state: 'completed', handovers: 0, result: { text: 'done' } });
    expect(mesh.ledger.starts(id)).toHaveLength(1);
    await expect.poll(async () => (await mesh.nodeRecord('mac-1')).journal).toMatchObject({ pending: 0, discarded: 0 });
  });

  it('discards an outcome whose task was taken over, and shows it', async () => {
    const env = { CLAWMESH_HOME: emptyFolder() };
    const slow = await mesh.startNode('mac-1', { env });
    const id = await mesh.queueOne('hold');
    await mesh.starts(1);
    await mesh.server.down('SIGTERM');
    mesh.ledger.release();
    await slow.waitFor(/kept on disk/);
    await slow.kill();
    await mesh.server.up();
    await mesh.startNode('mac-2');
    await mesh.lapse('mac-1');
    await mesh.allEnded();
    expect(await mesh.task(id)).toMatchObject({ state: 'completed', node: 'mac-2', handovers: 1 });
    const back = mesh.launchNode('mac-1', { env });
    await back.waitFor(/outcome discarded/);
    await expect.poll(async () => (await mesh.nodeRecord('mac-1')).journal).toMatchObject({ pending: 0, discarded: 1 });
  });
});
