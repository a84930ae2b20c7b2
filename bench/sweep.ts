import { Redis } from 'ioredis';
import { configSchema } from '../src/config/schema.ts';
import { requeueOrphanedClaims } from '../src/queue/bullmq/requeue.ts';
import { connectRedis, openRedis, type RedisTarget } from '../src/redis/connection.ts';
import { MeshKeys } from '../src/redis/keys.ts';
import { NodeRegistry } from '../src/registry/node-registry.ts';
import { aNodeRecord } from '../test/support/node-record.ts';
import { SpawnedRedis } from '../test/support/redis.ts';
import { sweepHow } from '../test/support/sweep-how.ts';

// What watching over a large mesh costs Redis: one sweep over 1,000 live nodes, one pass over 10,000 active tasks.
const NODES = 1_000;
const ACTIVE = 10_000;
const ROUNDS = 50;

const server = await SpawnedRedis.start();
const redisConfig = configSchema.parse({ redis: { url: server.url } }).redis;
const target: RedisTarget = { kind: 'shared', config: redisConfig as NonNullable<typeof redisConfig> };
const redis = connectRedis(target, 'daemon', 'bench');
await openRedis(redis, target);
const keys = new MeshKeys({ prefix: 'clawmesh', mesh: 'bench' });
const registry = new NodeRegistry(redis, keys);
const subscriber = new Redis(server.port, '127.0.0.1');
try {
  for (let i = 0; i < NODES; i++) {
    const { incarnation } = await registry.register(`n${i}`, ['default'], 3_600_000);
    await subscriber.subscribe(registry.presenceChannel({ nodeId: `n${i}`, incarnation }));
  }
  const fill = redis.pipeline();
  for (let i = 0; i < ACTIVE; i++) {
    const task = keys.task('default', `t${i}`);
    fill.hset(task, 'data', '{}').lpush(keys.pool('default', 'active'), `t${i}`);
    fill.set(`${task}:lock`, `n${i % NODES}~1:${i}`);
  }
  await fill.exec();
  await measure(`sweep, ${NODES} live nodes`, () => registry.sweep(sweepHow('n0')));
  const beat = beatOf(await registry.register('n0', ['default'], 3_600_000));
  await measure(`heartbeat beside ${NODES - 1} nodes`, () => registry.beat(...beat));
  await measure(`claims looked through, ${ACTIVE} active tasks`, () =>
    requeueOrphanedClaims(redis, keys, { visibilityTimeoutMs: 600_000, maxHandovers: 5 }),
  );
} finally {
  subscriber.disconnect();
  redis.disconnect();
  await server.stop();
}

/** A heartbeat as most are: another node has swept, the record is of the usual size (1.5 KB). */
function beatOf({ incarnation }: { incarnation: number }): Parameters<NodeRegistry['beat']> {
  const gates = Array.from({ length: 11 }, (_, i) => ({
    name: `gate-${i}`.padEnd(60),
    open: true,
    reason: null,
    fix: null,
  }));
  const pools = { default: { concurrency: 2, running: 0 } };
  const record = aNodeRecord({ incarnation, gates, pools, leaseMs: 3_600_000 });
  return [{ nodeId: 'n0', incarnation }, record, sweepHow('n0', { intervalMs: 3_600_000 })];
}

/** Redis' own time per script call. */
async function measure(what: string, run: () => Promise<unknown>): Promise<void> {
  await run();
  await redis.config('RESETSTAT');
  for (let round = 0; round < ROUNDS; round++) await run();
  const stats = await redis.info('commandstats');
  const [, calls = '0', usec = '0'] = /cmdstat_evalsha:calls=(\d+),usec=(\d+)/.exec(stats) ?? [];
  console.log(
    `${what}: ${(Number(usec) / Number(calls) / 1_000).toFixed(2)} ms of Redis time per call, ${Number(calls) / ROUNDS} calls a pass`,
  );
}
