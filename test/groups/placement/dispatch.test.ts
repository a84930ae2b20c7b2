import { writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Handover } from '../../../src/domain/handover.ts';
import type { Task } from '../../../src/domain/task.ts';
import { CliProcess } from '../../support/cli.ts';
import { ProcessMesh } from '../../support/process-mesh.ts';

const full = process.env.CLAWMESH_SESSIONS === 'full';
const NODES = ['mac-1', 'mac-2', 'mac-3'];

describe('a mesh of three nodes', () => {
  let mesh: ProcessMesh;

  beforeEach(async () => {
    mesh = await ProcessMesh.start({ openclaw: 'mode: simulate' });
  });
  afterEach(() => mesh.stop());

  /** Writes a new text into the config file and has a node read it again. */
  const reload = async (nodeId: string, more: string, answer = /new config applied/) => {
    writeFileSync(mesh.config, mesh.configText(more));
    mesh.node(nodeId).signal('SIGHUP');
    await mesh.node(nodeId).waitFor(answer);
  };
  const completed = (pool: string) => async () => (await mesh.snapshot()).pools[pool]?.completed ?? 0;

  it('changes its strategy while it works, and refuses a change that requires a restart or is invalid', async () => {
    mesh.config = mesh.configWith('node: {pools: {default: 4}}\n');
    await mesh.startNodes(...NODES);
    const running = await mesh.enqueue('sleep 1h');
    await mesh.taskState(running, 'active');
    for (const id of NODES) await reload(id, 'node: {pools: {default: 4}}\ndispatch: {strategy: least-loaded}\n');
    // Each has told what it has to offer; with `pull` none does.
    const { redis, keys } = await mesh.store();
    await expect.poll(() => redis.hlen(keys.freeSlots('default'))).toBe(3);
    await mesh.queueMany(5, 'sleep 50m');
    await expect.poll(async () => (await mesh.snapshot()).pools.default?.active).toBe(6);
    expect(await mesh.task(running)).toMatchObject({ state: 'active', handovers: 0 });
    const { running: runs } = await mesh.json('status');
    expect(runs).toHaveLength(6);
    expect(runs[0]).toMatchObject({ id: running, message: 'sleep 1h', attempt: 1, elapsedMs: expect.any(Number) });
    const screen = new CliProcess(['--config', mesh.config, 'status', '--watch']);
    await screen.waitFor(/mac-1 +up +[█░]+ [0-4]\/4.*RUNNING +NODE.*mesh m.*sleep 50m/s);
    await screen.kill();
    await reload('mac-1', 'node: {pools: {default: 9}}\n', /"settings":\["node.pools.default"\].*require a restart/);
    await reload(
      'mac-1',
      'dispatch: {strategy: fastest}\n',
      /expected pull, round-robin, least-loaded.*new config not applied/,
    );
  });

  it('keeps the tasks of a session waiting for its node while that is gated, and says so in status', async () => {
    await mesh.startNodes('mac-1', 'mac-2');
    const [first] = (await mesh.json('enqueue', 'hello', '--session', 'chat', '--wait')).tasks;
    const sticky = (await mesh.task(first.id)).node as string;
    await reload(sticky, 'gates: {minFreeDisk: 900TB}\n');
    await mesh.nodeState(sticky, 'gated');
    const id = await mesh.enqueue('hello', '--session', 'chat');
    const problems = async () => (await mesh.snapshot()).problems.map(({ what }) => what);
    await expect.poll(problems).toContain(`1 task waits for session chat: ${sticky} is gated`);
    expect(await mesh.task(id)).toMatchObject({ state: 'waiting', heldBy: 'session chat' });
    await reload(sticky, '');
    expect((await mesh.cli('task', 'wait', id)).code).toBe(0);
    expect(await mesh.task(id)).toMatchObject({ state: 'completed', node: sticky, sessionMovedFrom: null });
  });

  it('starts urgent tasks before a long queue of another pool, which continues beside them', async () => {
    mesh.config = mesh.configWith(
      'node: {pools: {default: 2, urgent: 2}, maxTasks: 2}\ndispatch: {weights: {urgent: 4}}\n',
    );
    const low = full ? 5_000 : 500;
    await mesh.queueMany(low, 'sleep 100ms');
    await mesh.startNodes(...NODES);
    await expect.poll(completed('default'), { interval: 20 }).toBeGreaterThan(20);
    await mesh.queue(...Array.from({ length: 10 }, () => ({ message: 'sleep 100ms', pool: 'urgent' })));
    await expect.poll(completed('urgent'), { interval: 20 }).toBe(10);
    const before = await completed('default')();
    await expect.poll(completed('default')).toBeGreaterThan(Math.min(before, low - 1));
    for (const { running } of (await mesh.json('node', 'list')).nodes) expect(running.length).toBeLessThanOrEqual(2);
    // Of the starts since then four in five were for the urgent pool; at most 6 slots were taken before.
    const tasks = await mesh.tasks();
    const startOf = (task: Task) => Date.parse(task.startedAt ?? '9999');
    const urgent = tasks.filter(({ pool }) => pool === 'urgent');
    const queuedAt = Math.min(...urgent.map(({ enqueuedAt }) => Date.parse(enqueuedAt)));
    const lastStart = Math.max(...urgent.map(startOf));
    const overtaken = tasks.filter(
      (task) => task.pool === 'default' && startOf(task) > queuedAt && startOf(task) < lastStart,
    );
    expect(overtaken.length).toBeLessThanOrEqual(30);
  });

  it('keeps the order of each session and its node, one task at a time, although a node dies', async () => {
    mesh.config = mesh.configWith('node: {pools: {default: 4}}\n');
    const [sessions, each] = full ? [20, 10] : [6, 6];
    await mesh.startNodes(...NODES);
    await mesh.presenceSeen(...NODES);
    const count = sessions * each;
    await mesh.queue(
      ...Array.from({ length: count }, (_, i) => ({
        message: 'sleep 300ms',
        session: `s${i % sessions}`,
        tags: { nth: String(Math.floor(i / sessions)) },
      })),
    );
    // The node dies while it runs something, in the middle of it all.
    const onMac2 = async () => (await mesh.tasks()).filter(({ state, node }) => state === 'active' && node === 'mac-2');
    await expect.poll(completed('default'), { interval: 20 }).toBeGreaterThan(count / 6);
    for (;;) {
      mesh.freeze('mac-2');
      if ((await onMac2()).length > 0) break;
      mesh.thaw('mac-2');
    }
    await mesh.kill('mac-2');
    await expect.poll(completed('default')).toBe(count);

    const all = await mesh.tasks();
    let moved = 0;
    for (const [session, own] of Map.groupBy(all, (task) => task.session ?? '')) {
      const runs = own.flatMap(runsOf).sort((a, b) => a.from - b.from || a.nth - b.nth);
      for (const [i, run] of runs.slice(1).entries()) {
        const before = runs[i] as (typeof runs)[number];
        expect(run.nth - before.nth, `order in ${session}`).toBeOneOf([0, 1]);
        expect(run.from, `one at a time in ${session}`).toBeGreaterThanOrEqual(before.to);
        if (run.node !== before.node) {
          expect(before.node, `why ${session} moved`).toBe('mac-2');
          moved++;
        }
      }
    }
    // Those of the dead node's sessions that were on their way when it died, or came next.
    const movedTasks = all.filter((task) => task.sessionMovedFrom !== null);
    expect(movedTasks).toHaveLength(moved);
    expect(movedTasks.every((task) => task.sessionMovedFrom === 'mac-2' && task.node !== 'mac-2')).toBe(true);
    const handovers = (await mesh.json('handovers')).handovers as Handover[];
    expect(handovers.length).toBeGreaterThan(0);
    expect(handovers.every((handover) => handover.sessionRestarted && handover.from === 'mac-2')).toBe(true);
  });
});

/** Each claim of a task, with when the run began and ended, ms. */
function runsOf(task: Task) {
  return task.history.flatMap(({ event, at, node }, i) =>
    event === 'claimed'
      ? [{ nth: Number(task.tags.nth), node, from: Date.parse(at), to: Date.parse(task.history[i + 1]?.at ?? '') }]
      : [],
  );
}
