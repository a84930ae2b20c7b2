import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Claim } from '../../src/domain/claim.ts';
import type { DispatchStrategy } from '../../src/domain/dispatch.ts';
import { setPoolPaused } from '../../src/queue/bullmq/pause-pool.ts';
import type { PoolConsumer } from '../../src/queue/bullmq/pool-consumer.ts';
import { makeDue, meshPerTest, newTask, success, type TestMesh } from '../support/pool.ts';

/** Redis time at which the wait for a node that was called has timed out, or lasts as long as a test, ms. */
/** A busy machine uses up any real one. */
const patienceMs = 3_600_000;

describe('dispatch of tasks to nodes', () => {
  let mesh: TestMesh;
  const current = meshPerTest('d');
  beforeEach(() => {
    mesh = current();
  });

  /** As if the nodes had been called long ago. */
  const calledLongAgo = async () => {
    const key = mesh.keys.freeSlots('default');
    for (const [node, offer] of Object.entries(await mesh.redis.hgetall(key))) {
      const [incarnation, free, called] = offer.split(' ');
      if (called !== '0') await mesh.redis.hset(key, node, `${incarnation} ${free} 1`);
    }
  };

  /** A node with its slots, as its claim loop would ask for it. */
  class TestNode {
    readonly held: Claim[] = [];
    readonly consumer: PoolConsumer;
    readonly slots: number;
    pressure = 1;
    constructor(consumer: PoolConsumer, slots: number) {
      this.consumer = consumer;
      this.slots = slots;
    }
    get offer() {
      const running = this.held.length;
      return { free: this.slots - running, running, slots: this.slots, pressure: this.pressure };
    }
    get isFull() {
      return this.held.length >= this.slots;
    }
    async ask(): Promise<boolean> {
      const claim = await this.consumer.claim(this.offer);
      if (claim) this.held.push(claim);
      return claim !== undefined;
    }
    /** Ends a task and fetches the next one in the same step. */
    async end(): Promise<void> {
      const claim = this.held.shift() as Claim;
      const { next } = await this.consumer.report(claim, success, this.offer);
      if (next) this.held.push(next);
    }
  }
  const nodes = async (strategy: DispatchStrategy, slots: readonly number[]) => {
    const all: TestNode[] = [];
    for (const [index, count] of slots.entries()) {
      all.push(new TestNode(await mesh.node(`n${index + 1}`, { strategy, patienceMs }), count));
    }
    // Each says what it has to offer.
    for (const node of all) await node.ask();
    return all;
  };
  const enqueue = async (count: number) => mesh.producer.enqueue(Array.from({ length: count }, () => newTask()));
  const running = (all: readonly TestNode[]) => all.map(({ held }) => held.length);

  it.each([
    ['round-robin', [4, 4, 4], 6, [2, 2, 2]],
    ['least-loaded', [4, 4, 4], 6, [2, 2, 2]],
    ['round-robin', [1, 2, 8], 5, [1, 1, 3]],
    ['least-loaded', [1, 2, 8], 5, [0, 1, 4]],
    ['round-robin', [1, 2, 8], 11, [1, 2, 8]],
    ['least-loaded', [1, 2, 8], 11, [1, 2, 8]],
  ] as const)(
    'gives each node its share with %s: %j slots, %i tasks one by one',
    async (strategy, slots, count, shares) => {
      const all = await nodes(strategy, slots);
      for (let i = 0; i < count; i++) {
        await enqueue(1);
        // The last node is always the quickest to ask.
        for (const node of all.toReversed()) if (!node.isFull) await node.ask();
        for (const node of all) if (!node.isFull) await node.ask();
      }
      expect(running(all)).toEqual(shares);
    },
  );

  it('lets a node claim any task if all free slots will be filled anyway', async () => {
    const all = await nodes('least-loaded', [2, 2]);
    await enqueue(4);
    expect([await all[1]?.ask(), await all[1]?.ask(), await all[0]?.ask()]).toEqual([true, true, true]);
  });

  it('wakes a node when the strategy gives the asking node nothing', async () => {
    const [one, two] = (await nodes('least-loaded', [4, 4])) as [TestNode, TestNode];
    await enqueue(1);
    await two.ask();
    await one.ask();
    expect(running([one, two])).toEqual([1, 0]);
    // Waits in Redis for a call; the marker goes to the node that waits longest, and no other waits here.
    await mesh.redis.del(mesh.keys.pool('default', 'marker'));
    const woken = two.consumer.waitForWork();
    await enqueue(1);
    await mesh.redis.del(mesh.keys.pool('default', 'marker'));
    expect(await one.ask()).toBe(false);
    expect(await woken).toBe(true);
    expect(await two.ask()).toBe(true);
  });

  it('passes over a node that did not come when called, until it asks by itself', async () => {
    const [one, two] = (await nodes('least-loaded', [4, 4])) as [TestNode, TestNode];
    await enqueue(1);
    await one.ask();
    await enqueue(1);
    expect(await one.ask()).toBe(false);
    await calledLongAgo();
    expect(await one.ask()).toBe(true);
    await enqueue(1);
    expect(await one.ask(), 'no node waits for it a second time').toBe(true);
    await enqueue(2);
    expect(await two.ask()).toBe(true);
    expect(await one.ask()).toBe(false);
  });

  it('does not wait for a node that is dead or has withdrawn its offer', async () => {
    const [one, two, three] = (await nodes('least-loaded', [4, 4, 4])) as [TestNode, TestNode, TestNode];
    await enqueue(1);
    await one.ask();
    await mesh.registry.evict('n2', 15_000);
    await three.consumer.interrupt();
    await enqueue(1);
    expect(await one.ask()).toBe(true);
    expect(Object.keys(await mesh.redis.hgetall(mesh.keys.freeSlots('default')))).toEqual(['n1']);
    await expect(two.ask()).rejects.toMatchObject({ code: 'fenced' });
  });

  it('renews the offer of a node that was interrupted while it asked', async () => {
    const [one] = (await nodes('least-loaded', [4])) as [TestNode];
    const offers = () => mesh.redis.hkeys(mesh.keys.freeSlots('default'));
    // What is sent while Redis waits for a replica that is not there is answered at once, with all answers in one packet:
    // the one to the older request is then worked off last.
    await Promise.all([mesh.redis.wait(1, 50), one.ask(), one.consumer.interrupt()]);
    expect(await offers()).toEqual([]);
    await mesh.redis.del(mesh.keys.pool('default', 'marker'));
    const waits = one.consumer.waitForWork();
    // One that waits without an offer would wait for its whole block time, and be told nothing.
    expect(await waits).toBe(true);
    await one.ask();
    expect(await offers()).toEqual(['n1']);
  });

  it('claims the next task with a report only if it is that node’s turn', async () => {
    const [one, two] = (await nodes('least-loaded', [2, 2])) as [TestNode, TestNode];
    await enqueue(4);
    for (const node of [one, two, one, two]) await node.ask();
    await enqueue(1);
    await one.end();
    expect(running([one, two]), 'the only free slot').toEqual([2, 2]);
    await two.end();
    await one.end();
    expect(running([one, two])).toEqual([1, 1]);
    await one.end();
    await enqueue(1);
    await two.end();
    expect(running([one, two])).toEqual([0, 1]);
  });

  it('gives less to a node under higher pressure', async () => {
    const [one, two] = (await nodes('least-loaded', [4, 4])) as [TestNode, TestNode];
    one.pressure = 2;
    await one.ask();
    for (let i = 0; i < 3; i++) {
      await enqueue(1);
      for (const node of [one, two, one]) await node.ask();
    }
    expect(running([one, two])).toEqual([1, 2]);
  });

  it('dispatches delayed tasks that are due by the same rule', async () => {
    const [one, two] = (await nodes('least-loaded', [4, 4])) as [TestNode, TestNode];
    await enqueue(1);
    await one.ask();
    await mesh.producer.enqueue([newTask({ delayMs: 60_000 })]);
    await makeDue(mesh);
    expect(await one.ask()).toBe(false);
    expect(await two.ask()).toBe(true);
  });

  it('gives out nothing of a paused pool, and wakes no node for it', async () => {
    const [one] = (await nodes('round-robin', [4, 4])) as [TestNode, TestNode];
    await setPoolPaused(mesh.redis, mesh.keys, 'default', true);
    await enqueue(1);
    expect(await one.ask()).toBe(false);
    expect(await mesh.redis.exists(`${mesh.keys.wakeupPrefix('default')}n2`)).toBe(0);
  });

  it('shares a pool between nodes of different strategies', async () => {
    const loaded = new TestNode(await mesh.node('n1', { strategy: 'least-loaded' }), 4);
    const pulls = new TestNode(await mesh.node('n2', { strategy: 'pull' }), 4);
    for (const node of [loaded, pulls]) await node.ask();
    await enqueue(3);
    expect([await pulls.ask(), await loaded.ask(), await pulls.ask()]).toEqual([true, true, true]);
  });

  it('never leaves a free slot and a task apart, nor passes over a node with less to do', async () => {
    let round = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 4 }),
        fc.array(fc.nat(3), { minLength: 1, maxLength: 12 }),
        async (slots, order) => {
          const pool = `p${round++}`;
          const all: TestNode[] = [];
          for (const [index, count] of slots.entries()) {
            const consumer = await mesh.node(`m${index}`, { strategy: 'least-loaded', pool, patienceMs });
            all.push(new TestNode(consumer, count));
          }
          for (const node of all) await node.ask();
          const count = order.length;
          await mesh.producer.enqueue(Array.from({ length: count }, () => newTask({ pool })));
          for (const pick of [...order, ...order.flatMap(() => slots.map((_, index) => index))]) {
            const node = all[pick % all.length] as TestNode;
            if (node.isFull) continue;
            const [before, inLine] = [running(all), count - running(all).reduce((sum, n) => sum + n, 0)];
            if (!(await node.ask())) continue;
            const own = node.held.length / node.slots;
            const better = all.reduce((sum, other, index) => {
              let could = 0;
              for (let n = before[index] ?? 0; n < other.slots && (n + 1) / other.slots < own; n++) could++;
              return sum + (other === node ? 0 : could);
            }, 0);
            expect(better, 'slots that come before this one').toBeLessThan(inLine);
          }
          const total = slots.reduce((sum, n) => sum + n, 0);
          expect(running(all).reduce((sum, n) => sum + n, 0)).toBe(Math.min(total, count));
        },
      ),
      { numRuns: 25 },
    );
  });
});
