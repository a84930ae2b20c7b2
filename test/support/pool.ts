import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import { type Config, configSchema } from '../../src/config/schema.ts';
import type { Claim } from '../../src/domain/claim.ts';
import type { DispatchStrategy, Offer } from '../../src/domain/dispatch.ts';
import type { Allowed } from '../../src/domain/target.ts';
import type { NewTask, Outcome } from '../../src/domain/task.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { Circuits } from '../../src/queue/bullmq/circuits.ts';
import { HELD_SCORE } from '../../src/queue/bullmq/held-tasks.ts';
import { PoolConsumer } from '../../src/queue/bullmq/pool-consumer.ts';
import { requeueOrphanedClaims } from '../../src/queue/bullmq/requeue.ts';
import { Schedules } from '../../src/queue/bullmq/schedules.ts';
import { TaskControl } from '../../src/queue/bullmq/task-control.ts';
import { TaskProducer } from '../../src/queue/bullmq/task-producer.ts';
import { TaskReader } from '../../src/queue/bullmq/task-reader.ts';
import { TaskSigner } from '../../src/queue/task-signer.ts';
import { connectRedis, openRedis, type RedisTarget } from '../../src/redis/connection.ts';
import { MeshKeys } from '../../src/redis/keys.ts';
import { NodeRegistry } from '../../src/registry/node-registry.ts';
import { startRedis, type TestRedis } from './test-redis.ts';

/** No node beats here: its record lasts as long as the test. */
const LEASE_MS = 1_800_000;

/** A mesh in one process, for tests of the queue: what the CLI and the daemon are made of, without either. */
export async function openTestMesh(url: string, mesh: string) {
  const config: Config = configSchema.parse({ mesh, redis: { url } });
  const target: RedisTarget = { kind: 'shared', config: config.redis as NonNullable<Config['redis']> };
  const redis = connectRedis(target, 'daemon', 'test');
  await openRedis(redis, target);
  const keys = new MeshKeys({ prefix: 'clawmesh', mesh });
  const registry = new NodeRegistry(redis, keys);
  const producer = new TaskProducer(redis, keys);
  const schedules = new Schedules(redis, keys);
  const consumers: PoolConsumer[] = [];
  return {
    redis,
    keys,
    registry,
    producer,
    reader: new TaskReader(redis, keys),
    schedules,
    control: new TaskControl(redis, keys),
    target,
    /** Requeues every orphaned claim; answers ids. */
    requeue: async (options: { maxHandovers?: number; visibilityTimeoutMs?: number } = {}) =>
      (await requeueOrphanedClaims(redis, keys, { visibilityTimeoutMs: 1_000, maxHandovers: 5, ...options })).map(
        ({ taskId }) => taskId,
      ),
    /** A new incarnation of the node, ready to claim from the pool. */
    async node(
      nodeId: string,
      options: {
        pool?: string;
        visibilityTimeoutMs?: number;
        completedMs?: number;
        keepCount?: number;
        labels?: Record<string, string>;
        allow?: Allowed;
        strategy?: DispatchStrategy;
        patienceMs?: number;
      } = {},
    ) {
      const pool = options.pool ?? 'default';
      const { incarnation } = await registry.register(nodeId, [pool], LEASE_MS);
      const blocking = connectRedis(target, 'blocking', 'test:wait');
      await openRedis(blocking, target);
      const consumer = new PoolConsumer({
        pool,
        owner: { nodeId, incarnation },
        labels: options.labels ?? {},
        allow: options.allow,
        keys,
        strategy: () => options.strategy ?? 'pull',
        patienceMs: options.patienceMs,
        redis,
        blocking,
        visibilityTimeoutMs: options.visibilityTimeoutMs ?? 600_000,
        retention: {
          completedMs: options.completedMs ?? 600_000,
          failedMs: 600_000,
          count: options.keepCount ?? 1_000,
          usageMs: 90 * 86_400_000,
        },
        sessionExchanges: 2,
        backoff: { delay: 60_000, max: 60_000, jitter: 0 },
        schedules,
        circuits: new Circuits(redis, keys, { failures: 3, minProbeInterval: 60_000, maxProbeInterval: 60_000 }),
        signer: new TaskSigner([], keys.bullPrefix),
        clock: systemClock,
        clockOffset: () => 0,
      });
      consumers.push(consumer);
      return consumer;
    },
    async close(): Promise<void> {
      await producer.close();
      await schedules.close();
      for (const consumer of consumers) await consumer.close();
      redis.disconnect();
    },
  };
}

export type TestMesh = Awaited<ReturnType<typeof openTestMesh>>;

export function newTask(fields: Partial<NewTask> = {}): NewTask {
  return { message: 'hello', pool: 'default', priority: 0, delayMs: 0, attempts: 3, tags: {}, ...fields };
}

/** Has all delayed tasks of a pool fall due now, instead of when their time has come. */
export async function makeDue({ redis, keys }: TestMesh, pool = 'default'): Promise<void> {
  const delayed = keys.pool(pool, 'delayed');
  for (const id of await redis.zrange(delayed, 0, '-1')) await redis.zadd(delayed, 'XX', 1, id);
  await redis.zadd(keys.pool(pool, 'marker'), 0, '0');
}

/** As {@link makeDue}, but for what waits for a time: tasks that are held back stay so. */
export async function makeTimesDue({ redis, keys }: TestMesh, pool = 'default'): Promise<void> {
  const delayed = keys.pool(pool, 'delayed');
  for (const id of await redis.zrangebyscore(delayed, '-inf', `(${HELD_SCORE}`)) await redis.zadd(delayed, 'XX', 1, id);
  await redis.zadd(keys.pool(pool, 'marker'), 0, '0');
}

/** Has the next probe of all open circuits fall due now. */
export async function makeProbesDue({ redis, keys }: TestMesh): Promise<void> {
  for (const [name, text] of Object.entries(await redis.hgetall(keys.circuits))) {
    const circuit = JSON.parse(text);
    if (circuit.dueAt) await redis.hset(keys.circuits, name, JSON.stringify({ ...circuit, dueAt: 1 }));
  }
}

export const success = {
  ok: true,
  result: { text: 'done', usage: null, model: null, runId: null, durationMs: 5 },
} as const satisfies Outcome;

/** Claims until there is a task. */
export async function claimNext(consumer: PoolConsumer): Promise<Claim> {
  for (;;) {
    const claim = (await consumer.waitForWork()) ? await consumer.claim() : undefined;
    if (claim) return claim;
  }
}

/**
 * A Redis for the tests of this `describe`, and a fresh mesh for each of them; `mesh()` is the one of the running test.
 */
export function meshPerTest(name: string): () => TestMesh {
  let server: TestRedis;
  let mesh: TestMesh;
  let count = 0;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server.stop());
  beforeEach(async () => {
    mesh = await openTestMesh(server.url, `${name}${count++}`);
  });
  afterEach(() => mesh.close());
  return () => mesh;
}

/** An offer of a node with one slot and nothing to do. */
export const idleOffer: Offer = { free: 1, running: 0, slots: 1, pressure: 1 };
