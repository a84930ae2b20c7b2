import { beforeEach, describe, expect, it } from 'vitest';
import type { Claim } from '../../src/domain/claim.ts';
import type { ErrorKind } from '../../src/domain/error-kind.ts';
import { type Outcome, type RunError, type Task, taskError } from '../../src/domain/task.ts';
import { listCircuits } from '../../src/queue/bullmq/circuits.ts';
import { releaseHeld } from '../../src/queue/bullmq/held-tasks.ts';
import { setPoolPaused } from '../../src/queue/bullmq/pause-pool.ts';
import type { PoolConsumer } from '../../src/queue/bullmq/pool-consumer.ts';
import { EventLog } from '../../src/registry/event-log.ts';
import {
  claimNext,
  idleOffer,
  makeDue,
  makeProbesDue,
  makeTimesDue,
  meshPerTest,
  newTask,
  success,
  type TestMesh,
} from '../support/pool.ts';
import { seeded } from '../support/seeded.ts';

/** Three failures in a row open a circuit; probes come after 100 ms at least. */
describe('a failing provider', () => {
  let mesh: TestMesh;
  const current = meshPerTest('o');
  beforeEach(() => {
    mesh = current();
  });

  const failure = (kind: ErrorKind, fields: Partial<RunError> = {}): Outcome => ({
    ok: false,
    error: { ...taskError(kind, 'HTTP 500'), ...fields },
  });
  const enqueue = async (n: number, fields: Parameters<typeof newTask>[0] = {}) =>
    (await mesh.producer.enqueue(Array.from({ length: n }, () => newTask(fields)))).map(({ id }) => id);
  const fail = async (node: PoolConsumer, kind: 'provider' | 'rate_limit' = 'provider') => {
    const claim = await claimNext(node);
    return { claim, ...(await node.report(claim, failure(kind))) };
  };
  const counts = async () => (await mesh.reader.counts(['default'])).get('default');
  const circuits = () => listCircuits(mesh.redis, mesh.keys);
  const release = async () => {
    const { released, failed } = await releaseHeld(mesh.redis, mesh.keys);
    return { released, failed };
  };
  /** As in {@link release}, once the next probe is due. */
  const releaseDue = async () => {
    await makeProbesDue(mesh);
    return release();
  };
  /** Claims everything there is; what is held back does not come. */
  const claimAll = async (node: PoolConsumer) => {
    const claims: Claim[] = [];
    for (let i = 0; i < 20; i++) {
      const left = await mesh.redis.llen(mesh.keys.pool('default', 'wait'));
      if (left === 0) break;
      const claim = await node.claim();
      if (claim) claims.push(claim);
    }
    return claims;
  };
  /** The probe has had its time, and the next one is due. */
  const endProbeTime = async (changed: object = {}) => {
    const text = (await mesh.redis.hget(mesh.keys.circuits, 'default')) ?? '';
    const late = { ...JSON.parse(text), dueAt: 1, probeUntil: 1, ...changed };
    await mesh.redis.hset(mesh.keys.circuits, 'default', JSON.stringify(late));
  };
  const open = async (node: PoolConsumer) => {
    for (let i = 0; i < 3; i++) await fail(node);
  };

  it('stops the tasks of a failing provider on all nodes after some failures in a row, and runs those of other providers', async () => {
    const ids = await enqueue(5);
    const [one, two] = [await mesh.node('mac-1'), await mesh.node('mac-2')];
    expect((await fail(one)).settled).toBe('retry');
    expect((await fail(two)).settled).toBe('retry');
    expect((await fail(one)).settled).toBe('held');
    const [other] = await enqueue(1, { model: 'other/model' });
    expect((await claimAll(two)).map((claim) => claim.taskId)).toEqual([other]);
    expect(await circuits()).toMatchObject([{ name: 'default', failures: 3, kind: 'provider', probe: null }]);
    const task = await mesh.reader.get(ids[4] as string);
    expect(task).toMatchObject({ state: 'waiting', heldBy: 'circuit default', attempts: { made: 0 } });
    expect(task?.history.map(({ event }) => event)).toEqual(['enqueued']);
    expect(await counts()).toMatchObject({ waiting: 3, active: 1, delayed: 2 });
    expect((await mesh.reader.list({ state: 'waiting', limit: 10 })).length).toBe(3);
    expect((await mesh.reader.list({ state: 'delayed', limit: 10 })).length).toBe(2);
  });

  it('counts failures from zero again after a success', async () => {
    await enqueue(4);
    const node = await mesh.node('mac-1');
    await fail(node);
    await fail(node);
    await node.report(await claimNext(node), success);
    expect((await fail(node)).settled).toBe('retry');
    expect(await circuits()).toMatchObject([{ failures: 1, openedAt: null }]);
  });

  it('counts failures from zero again after a success on a node that has claimed nothing since the first failure', async () => {
    await enqueue(4);
    const [one, two] = [await mesh.node('mac-1'), await mesh.node('mac-2')];
    await two.report(await claimNext(two), success);
    const early = await claimNext(two);
    await fail(one);
    await fail(one);
    expect(await circuits()).toMatchObject([{ failures: 2 }]);
    await two.report(early, success);
    await expect.poll(circuits).toEqual([]);
  });

  it('sends one probe task at a time, and all tasks again once a probe succeeds', async () => {
    const ids = await enqueue(6);
    const [one, two] = [await mesh.node('mac-1'), await mesh.node('mac-2')];
    await open(one);
    expect(await claimAll(two)).toEqual([]);
    expect(await release()).toEqual({ released: 0, failed: 0 });
    expect(await releaseDue()).toEqual({ released: 1, failed: 0 });
    const probe = await claimNext(two);
    expect(ids).toContain(probe.taskId);
    expect(await release()).toEqual({ released: 0, failed: 0 });
    await enqueue(1);
    expect(await claimAll(one)).toEqual([]);
    await two.report(probe, success);
    expect(await circuits()).toEqual([]);
    expect((await release()).released).toBe(4);
    expect((await claimAll(one)).length).toBe(4);
  });

  it('releases all tasks with one look once it works again, however many there are', async () => {
    const why = 'require:gpu=yes';
    await enqueue(450, { require: { gpu: 'yes' } });
    // As if they were held for a provider that has recovered.
    await mesh.redis.rename(mesh.keys.heldTasks('default', why), mesh.keys.heldTasks('default', 'circuit:p/m'));
    await mesh.redis.sadd(mesh.keys.held, 'default circuit:p/m');
    expect(await release()).toEqual({ released: 450, failed: 0 });
  });

  it('records an event when its circuit opens, and when it closes', async () => {
    await enqueue(2);
    const node = await mesh.node('mac-1');
    await fail(node, 'rate_limit');
    await claimAll(node);
    await releaseDue();
    await node.report(await claimNext(node), success);
    const events = await new EventLog(mesh.redis, mesh.keys).newest({ limit: 9 });
    expect(events.filter(({ event }) => event.startsWith('circuit-'))).toMatchObject([
      { event: 'circuit-opened', circuit: 'default', reason: 'HTTP 500' },
      { event: 'circuit-closed', circuit: 'default' },
    ]);
  });

  it('closes the circuit for a successful probe even if Redis’ clock has gone back', async () => {
    await enqueue(4);
    const node = await mesh.node('mac-1');
    await open(node);
    await claimAll(node);
    await releaseDue();
    const probe = await claimNext(node);
    const [[name, text] = ['', '']] = Object.entries(await mesh.redis.hgetall(mesh.keys.circuits));
    const circuit = JSON.parse(text);
    const openedAt = circuit.openedAt + 3_600_000;
    await mesh.redis.hset(mesh.keys.circuits, name, JSON.stringify({ ...circuit, openedAt }));
    await node.report(probe, success);
    expect(await circuits()).toEqual([]);
  });

  it('holds its tasks again when the probe fails, which costs the probe task no attempt', async () => {
    const [id] = await enqueue(4);
    const node = await mesh.node('mac-1');
    await open(node);
    await claimAll(node);
    expect((await releaseDue()).released).toBe(1);
    const probe = await claimNext(node);
    expect(probe).toMatchObject({ attempt: 1 });
    expect(await node.report(probe, failure('provider'))).toMatchObject({ settled: 'held' });
    const task = await mesh.reader.get(probe.taskId);
    expect(task).toMatchObject({ state: 'waiting', attempts: { made: 0 }, heldBy: 'circuit default' });
    expect(task?.history.at(-1)).toMatchObject({ event: 'retry', reason: 'provider: HTTP 500' });
    expect((await mesh.reader.get(id as string))?.attempts.made).toBe(1);
    expect((await releaseDue()).released).toBe(1);
    expect(await claimNext(node)).toMatchObject({ attempt: 1 });
  });

  it('opens the circuit at once for a rate limit, for as long as the provider asks', async () => {
    await enqueue(2);
    const node = await mesh.node('mac-1');
    const report = await node.report(await claimNext(node), failure('rate_limit', { retryAfterMs: 60_000 }));
    expect(report.settled).toBe('held');
    const [circuit] = await circuits();
    const wait = Date.parse(circuit?.nextProbeAt ?? '') - Date.parse(circuit?.openedAt ?? '');
    expect(wait).toBe(60_000);
    expect(await claimAll(node)).toEqual([]);
  });

  it('sends another probe when the probe’s node dies, its run crashes, or it is cancelled', async () => {
    await enqueue(6);
    const node = await mesh.node('mac-1');
    await open(node);
    await claimAll(node);
    expect((await releaseDue()).released).toBe(1);
    const lost = await claimNext(node);
    await mesh.registry.evict('mac-1', 15_000);
    await mesh.requeue();
    const second = await mesh.node('mac-2');
    const again = await claimNext(second);
    expect(again.taskId).toBe(lost.taskId);
    expect(await second.report(again, failure('crash'))).toMatchObject({ settled: 'retry' });
    expect((await releaseDue()).released).toBe(1);
    const cancelled = (await mesh.reader.list({ state: 'waiting', limit: 10 })).find((task) => task.heldBy === null);
    expect(await mesh.control.cancel(cancelled as NonNullable<typeof cancelled>, 'by hand')).toBe('cancelled');
    expect((await releaseDue()).released).toBe(1);
  });

  it('ignores the success of a run that began before the outage', async () => {
    await enqueue(5);
    const node = await mesh.node('mac-1');
    const early = await claimNext(node);
    await new Promise((resolve) => setTimeout(resolve, 5)); // Redis' clock has to move on
    await open(node);
    await node.report(early, success);
    expect(await circuits()).toMatchObject([{ openedAt: expect.any(String) }]);
  });

  it('claims no next task with a completion from before the outage', async () => {
    await enqueue(5);
    const [one, two] = [await mesh.node('mac-1'), await mesh.node('mac-2')];
    const claim = await claimNext(one);
    await open(two);
    const { next } = await one.report(claim, success, idleOffer);
    expect(next).toBeUndefined();
    expect(await claimAll(one)).toEqual([]);
  });

  /** A circuit that is open, and whose probe waits in pool `other`, though all its other tasks are in `default`. */
  const openWithProbeElsewhere = async () => {
    const [node, elsewhere] = [await mesh.node('mac-1'), await mesh.node('mac-2', { pool: 'other' })];
    await enqueue(4);
    const [id] = await enqueue(1, { pool: 'other' });
    await open(node);
    await claimAll(node);
    await makeProbesDue(mesh);
    const claim = await claimNext(elsewhere);
    expect(claim.taskId).toBe(id);
    return { node, elsewhere, claim, task: (await mesh.reader.get(claim.taskId)) as Task };
  };

  it('names its probe by pool and id, and sends no other while that one runs, whatever pool they are in', async () => {
    const { elsewhere, claim } = await openWithProbeElsewhere();
    expect(await circuits()).toMatchObject([{ probe: `other:${claim.taskId}` }]);
    expect(await releaseDue()).toEqual({ released: 0, failed: 0 });
    await elsewhere.report(claim, success);
    expect(await circuits()).toEqual([]);
    expect((await release()).released).toBe(2);
  });

  it.each([
    ['cancelled while its node is away', async (task: Task) => mesh.control.cancel(task, 'by hand')],
    [
      'removed',
      async (task: Task) => {
        await mesh.registry.evict('mac-2', 15_000);
        await mesh.requeue();
        expect(await mesh.control.remove(task)).toBe('removed');
      },
    ],
    [
      'ended without a word to the circuit',
      async (task: Task) => {
        await mesh.registry.evict('mac-2', 15_000);
        await mesh.requeue();
        expect(await mesh.control.cancel(task, 'by hand')).toBe('cancelled');
      },
    ],
  ])('sends the next probe when the probe, in another pool, is %s', async (_, end) => {
    const { node, task } = await openWithProbeElsewhere();
    await end(task);
    expect(await releaseDue()).toEqual({ released: 1, failed: 0 });
    await node.report(await claimNext(node), success);
    expect(await circuits()).toEqual([]);
  });

  it('sends the next probe when a new one is claimed while the first is gone', async () => {
    const { node, task } = await openWithProbeElsewhere();
    await mesh.control.cancel(task, 'by hand');
    const [id] = await enqueue(1);
    await makeProbesDue(mesh);
    expect((await claimNext(node)).taskId).toBe(id);
  });

  it('sends the next probe when the first has not ended within its time', async () => {
    const { node, task } = await openWithProbeElsewhere();
    const [circuit] = Object.values(await mesh.redis.hgetall(mesh.keys.circuits)).map((text) => JSON.parse(text));
    expect(circuit.probe).toBe(`other:${task.id}`);
    expect(circuit.probeUntil).toBeGreaterThan(circuit.openedAt);
    await endProbeTime();
    expect(await release()).toEqual({ released: 1, failed: 0 });
    await claimNext(node);
  });

  it.each([
    ['its claim has lapsed', async () => endProbeTime()],
    [
      'its claim has lapsed, and a sweep has requeued it',
      async () => {
        expect(await mesh.requeue()).toHaveLength(1);
        await endProbeTime();
      },
    ],
    [
      'its claim has lapsed before its node could tell the circuit of it',
      async () => endProbeTime({ probeClaimed: undefined }),
    ],
  ])(
    'sends the next probe from the same pool when the first has not ended within its time, and %s',
    async (_, happen) => {
      const node = await mesh.node('mac-1');
      await enqueue(5);
      await open(node);
      await claimAll(node);
      expect((await releaseDue()).released).toBe(1);
      const { taskId } = await claimNext(node);
      await mesh.redis.del(`${mesh.keys.task('default', taskId)}:lock`);
      await happen();
      expect(await release()).toEqual({ released: 1, failed: 0 });
    },
  );

  it('claims no probe from a paused pool, nor again from a pool in which no node claimed it in time', async () => {
    const [node, elsewhere] = [await mesh.node('mac-1'), await mesh.node('mac-2', { pool: 'other' })];
    await enqueue(4);
    await enqueue(2, { pool: 'other' });
    await open(node);
    await claimAll(node);
    for (let i = 0; i < 2; i++) await elsewhere.claim();
    await setPoolPaused(mesh.redis, mesh.keys, 'default', true);
    expect((await releaseDue()).released).toBe(1);
    const [{ probe } = { probe: null }] = await circuits();
    expect(probe).toMatch(/^other:/);
    await setPoolPaused(mesh.redis, mesh.keys, 'default', false);
    await endProbeTime();
    expect((await release()).released).toBe(1);
    const [again] = await circuits();
    expect(again?.probe).toMatch(/^default:/);
  });

  it('does not open the circuit for one task alone, however often it fails, and counts a repeated report once', async () => {
    const [id] = await enqueue(1, { attempts: 5 });
    const node = await mesh.node('mac-1');
    for (let i = 0; i < 4; i++) {
      const claim = await claimNext(node);
      expect((await node.report(claim, failure('provider'))).settled).toBe('retry');
      await expect(node.report(claim, failure('provider'))).rejects.toThrow('is lost');
      await makeDue(mesh);
    }
    expect(await circuits()).toMatchObject([{ openedAt: null, failures: 4, tasks: [`default:${id}`] }]);
    expect((await fail(node)).settled).toBe('failed');
    await enqueue(1, { attempts: 2 });
    expect((await fail(node)).settled).toBe('held');
    expect(await circuits()).toMatchObject([{ openedAt: expect.any(String), failures: 6 }]);
  });

  it('opens the circuit for one task if the provider says that it is down for everyone', async () => {
    await enqueue(1);
    const node = await mesh.node('mac-1');
    const report = await node.report(await claimNext(node), failure('provider', { outage: true }));
    expect(report.settled).toBe('held');
    expect(await circuits()).toMatchObject([{ openedAt: expect.any(String), kind: 'provider' }]);
  });

  it('probes first with tasks that have not failed yet, and charges a repeated probe an attempt', async () => {
    const [id] = await enqueue(1, { attempts: 2 });
    const node = await mesh.node('mac-1');
    expect(await node.report(await claimNext(node), failure('rate_limit'))).toMatchObject({ settled: 'held' });
    const [fresh] = await enqueue(1, { attempts: 2 });
    await claimAll(node);
    expect((await releaseDue()).released).toBe(1);
    const first = await claimNext(node);
    expect(first.taskId).toBe(fresh);
    expect((await node.report(first, failure('rate_limit'))).settled).toBe('held');
    await releaseDue();
    const second = await claimNext(node);
    expect(second).toMatchObject({ taskId: id, attempt: 1 });
    expect((await node.report(second, failure('rate_limit'))).settled).toBe('held');
    expect(await mesh.reader.get(second.taskId)).toMatchObject({ attempts: { made: 1 }, heldBy: 'circuit default' });
    await releaseDue();
    await node.report(await claimNext(node), failure('rate_limit'));
    await releaseDue();
    const last = await claimNext(node);
    expect(last).toMatchObject({ attempt: 2 });
    expect((await node.report(last, failure('rate_limit'))).settled).toBe('failed');
    expect(await mesh.reader.get(last.taskId)).toMatchObject({ attempts: { made: 2 }, error: { kind: 'rate_limit' } });
  });

  it('accepts the report of a probe that an earlier incarnation of the node began', async () => {
    const { elsewhere, claim } = await openWithProbeElsewhere();
    const next = await mesh.node('mac-2', { pool: 'other' });
    const [adopted] = await next.adopt('all');
    expect(adopted?.taskId).toBe(claim.taskId);
    await next.report(adopted as Claim, success);
    expect(await circuits()).toEqual([]);
    await expect(elsewhere.report(claim, success)).rejects.toThrow();
  });

  it.each([1, 2, 3, 4, 5, 6])(
    'never starts a task more often than its attempts, its handovers and one more (seed %i)',
    async (seed) => {
      const random = seeded(seed);
      const pick = <T>(of: readonly T[]): T => of[Math.floor(random() * of.length)] as T;
      const ids = await enqueue(5, { attempts: 3 });
      const poison = ids[0] as string;
      let nodes = [await mesh.node('mac-1'), await mesh.node('mac-2')];
      for (let step = 0; step < 400; step++) {
        await makeProbesDue(mesh);
        await release();
        const { waiting = 0, delayed = 0, active = 0 } = (await counts()) ?? {};
        if (waiting + delayed + active === 0) break;
        await makeTimesDue(mesh);
        const node = pick(nodes);
        const claim = await node.claim();
        if (!claim) continue;
        const kind =
          claim.taskId === poison
            ? 'provider'
            : pick(['provider', 'rate_limit', 'crash', 'auth', 'drain', 'death'] as const);
        if (kind === 'auth') {
          if (!(await node.reassign(claim, 'auth'))) await node.report(claim, failure('auth'));
        } else if (kind === 'drain') await node.release(claim, 'drain');
        else if (kind === 'death') {
          await mesh.registry.evict(pick(['mac-1', 'mac-2']), 15_000);
          await mesh.requeue();
          nodes = [await mesh.node('mac-1'), await mesh.node('mac-2')];
          await mesh.requeue();
        } else await node.report(claim, failure(kind));
      }
      for (const id of ids) {
        const task = await mesh.reader.get(id);
        expect(task?.state, id).toBe('failed');
        const starts = task?.history.filter(({ event }) => event === 'claimed').length ?? 0;
        expect(starts, id).toBeLessThanOrEqual(3 + (task?.handovers ?? 0) + 1);
      }
    },
  );

  it('runs a task on another node at no cost if the provider refuses one node’s login', async () => {
    const [id] = await enqueue(1);
    const [one, two] = [await mesh.node('mac-1'), await mesh.node('mac-2')];
    await one.reassign(await claimNext(one), 'auth on mac-1: HTTP 401');
    const claim = await claimNext(two);
    expect(claim).toMatchObject({ taskId: id, attempt: 1, handovers: 0, holds: 1, refusedOn: 'mac-1' });
  });
});
