import { Queue } from 'bullmq';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Claim } from '../../src/domain/claim.ts';
import { releaseHeld } from '../../src/queue/bullmq/held-tasks.ts';
import { luaFiles } from '../support/lua-files.ts';
import { aNodeRecord } from '../support/node-record.ts';
import { claimNext, meshPerTest, newTask, success, type TestMesh } from '../support/pool.ts';
import { sweepHow } from '../support/sweep-how.ts';

/** Half of an emoji: valid in JSON for JavaScript, and refused by the parser of Redis' Lua. */
const HALF = 'cut \ud83d';
/** Valid for both, but not as clawmesh writes it. */
const spaced = (value: object) => JSON.stringify(value).replace(/":/g, '" : ').replace('session', '\\u0073ession');
/** So deep that only JavaScript reads it. */
const deep = (value: object) =>
  `${JSON.stringify(value).slice(0, -1)},"other":${'['.repeat(1_100)}${']'.repeat(1_100)}}`;

describe('a task that another program has queued', () => {
  let mesh: TestMesh;
  let count = 0;
  const current = meshPerTest('one');
  beforeEach(() => {
    mesh = current();
    count = 0;
  });

  const writings: Record<string, (value: object) => string> = { halved: JSON.stringify, spaced, deep };
  const add = async (fields: object, write: (value: object) => string = JSON.stringify): Promise<string> => {
    const id = `01jd000000000000000000000${count++}`;
    const data = { v: 1, message: HALF, tags: {}, attempts: 3, ...fields };
    const queue = new Queue('default', { connection: mesh.redis, prefix: mesh.keys.bullPrefix });
    await queue.add('task', data, { jobId: id, attempts: 3 });
    await queue.close();
    await mesh.redis.hset(mesh.keys.task('default', id), 'data', write(data));
    await mesh.redis.sadd(mesh.keys.pools, 'default');
    return id;
  };
  const read = async (id: string) => mesh.reader.get(id);

  it.each(Object.keys(writings))(
    'waits for the task before it in its session, however its JSON is written (%s)',
    async (how) => {
      const ids = [await add({ session: 'chat' }, writings[how]), await add({ session: 'chat' }, writings[how])];
      const node = await mesh.node('mac-1');
      const claim = await claimNext(node);
      expect(claim.taskId).toBe(ids[0]);
      expect(await node.claim()).toBeUndefined();
      expect(await read(ids[1] ?? '')).toMatchObject({
        state: 'waiting',
        heldBy: 'session chat',
        attempts: { made: 0 },
      });
      await node.report(claim, success);
      expect((await node.claimHeld('session:|chat'))?.taskId).toBe(ids[1]);
    },
  );

  it('stays with the sticky node of its session, and records when it had to move', async () => {
    const [one, two] = [await mesh.node('mac-1'), await mesh.node('mac-2')];
    await add({ session: 'chat' });
    await one.report(await claimNext(one), success);
    const id = await add({ session: 'chat' });
    expect(await two.claim()).toBeUndefined();
    expect(await read(id)).toMatchObject({ heldBy: 'session chat' });
    expect((await one.claimHeld('session:|chat')) as Claim).toMatchObject({ taskId: id, movedFrom: undefined });
    await mesh.registry.evict('mac-1', 15_000);
    await mesh.requeue();
    expect(await claimNext(two)).toMatchObject({ taskId: id, movedFrom: 'mac-1' });
  });

  it('does not run before the tasks that it comes after', async () => {
    const [first] = await mesh.producer.enqueue([newTask({ delayMs: 60_000 })]);
    const id = await add({ after: [{ id: first?.id, pool: 'default' }] });
    const node = await mesh.node('mac-1');
    await node.waitForWork();
    expect(await node.claim()).toBeUndefined();
    expect(await read(id)).toMatchObject({ state: 'waiting', heldBy: 'after', attempts: { made: 0 } });
    expect(await releaseHeld(mesh.redis, mesh.keys)).toMatchObject({ released: 0, failed: 0 });
    const before = await read(first?.id ?? '');
    if (!before) throw new Error('no task');
    await mesh.control.cancel(before, 'by hand');
    expect(await releaseHeld(mesh.redis, mesh.keys)).toMatchObject({ released: 0, failed: 1 });
    expect(await read(id)).toMatchObject({ state: 'failed', error: { kind: 'invalid' } });
  });

  it('refuses a task that comes after an impossible id', async () => {
    const id = await add({ after: [{ id: 'x y', pool: 'default' }] });
    const node = await mesh.node('mac-1');
    await node.waitForWork();
    expect(await node.claim()).toBeUndefined();
    expect(await read(id)).toMatchObject({ state: 'failed', error: { kind: 'invalid' } });
  });

  it('sends a task to another node once its preferred node may not run it', async () => {
    const id = await add({ node: 'mac-1', nodeFallback: true, agent: 'a' });
    const node = await mesh.node('mac-1', { allow: { agents: ['b'] } });
    await node.waitForWork();
    expect(await node.claim()).toBeUndefined();
    expect(await mesh.redis.hget(mesh.keys.task('default', id), 'cm:fellBack')).toBe('1');
  });

  it('restores the original number of attempts when the task is queued again', async () => {
    const id = await add({});
    await mesh.redis.hset(mesh.keys.task('default', id), 'opts', JSON.stringify({ attempts: 3, x: HALF }));
    const task = await read(id);
    if (!task) throw new Error('no task');
    await mesh.control.cancel(task, 'by hand');
    expect(await mesh.control.retry(task)).toBe('waiting');
    expect(await read(id)).toMatchObject({ attempts: { made: 0, max: 3 } });
  });
});

describe('texts that a node writes and a script reads', () => {
  let mesh: TestMesh;
  const current = meshPerTest('two');
  beforeEach(() => {
    mesh = current();
  });

  it('completes a task although half a character is in the name of its model, and counts its tokens', async () => {
    await mesh.producer.enqueue([newTask()]);
    const node = await mesh.node('mac-1');
    const usage = { input: 1, output: 2, total: 3 };
    await node.report(await claimNext(node), { ok: true, result: { ...success.result, usage, model: HALF } });
    const [sums] = await mesh.redis.keys(`${mesh.keys.bullPrefix}/usage:*`);
    expect(Object.values(await mesh.redis.hgetall(sums ?? '')).sort()).toEqual(['1', '1', '2', '3']);
  });

  it('writes a heartbeat that scripts can read, whatever a gate says', async () => {
    const { incarnation } = await mesh.registry.register('mac-1', ['default'], 15_000);
    const gates = [{ name: 'openclaw', open: false, reason: HALF, fix: null }];
    const owner = { nodeId: 'mac-1', incarnation };
    await mesh.registry.beat(owner, aNodeRecord({ incarnation, gates }), sweepHow('mac-1'));
    const lua = "return cjson.decode(redis.call('HGET', KEYS[1], ARGV[1])).host";
    expect(await mesh.redis.eval(lua, 1, mesh.keys.nodes, 'mac-1')).toBe('h');
  });
});

describe('JSON in Lua scripts', () => {
  it('parses in scripts only what clawmesh wrote itself: no task, and no options of one', () => {
    const parsing = [...luaFiles()].flatMap(([file, text]) => (text.includes('cjson.decode') ? [file] : []));
    expect(parsing.map((file) => file.replace('queue/bullmq/lua/', ''))).toEqual([
      'arm-schedule.lua', // the options that the caller has made right before
      'close-circuit.lua', // circuits are written by Lua alone
      'forget-circuits.lua',
      'includes/count-usage.lua', // names and numbers that the caller has made right before
      'includes/enter-session.lua', // the labels of the node that asks, and what it is allowed
      'includes/free-deduplication.lua', // the priority of another program's job; 0 if that can't be read
      'includes/node-available.lua', // heartbeats
      'includes/probe.lua',
      'requeue-claims.lua', // deaths: numbers, and a reason of ours
    ]);
  });
});
