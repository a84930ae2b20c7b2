import { taskError } from '../../src/domain/task.ts';
import type { PoolConsumer } from '../../src/queue/bullmq/pool-consumer.ts';
import { aNodeRecord } from './node-record.ts';
import { newTask, success, type TestMesh } from './pool.ts';
import { sweepHow } from './sweep-how.ts';

interface Filling {
  readonly nodes: readonly string[];
  /** Number of tasks, which ran in turns on all nodes but `idle`. */
  readonly tasks: number;
  /** Nodes that ran nothing. */
  readonly idle?: readonly string[];
  /** The runs are spread over this time until now, ms. */
  readonly spanMs: number;
}

const LEASE_MS = 1_800_000;
const BATCH = 500;
/** One of 17 tasks fails. */
const FAILS = 17;
/** One of 47 tasks is handed over. */
const MOVES = 47;

/** Fills the mesh through the ports of the queue, as nodes do, and then moves the times of the runs apart. */
export async function fillMesh(mesh: TestMesh, { nodes, tasks, idle = [], spanMs }: Filling): Promise<void> {
  const consumers: PoolConsumer[] = [];
  for (const id of nodes) consumers.push(await mesh.node(id));
  for (const id of idle) await mesh.registry.register(id, ['default'], LEASE_MS);
  for (const id of [...nodes, ...idle]) await beat(mesh, id);
  for (let done = 0; done < tasks; done += BATCH) {
    const count = Math.min(BATCH, tasks - done);
    await mesh.producer.enqueue(Array.from({ length: count }, (_, i) => newTask({ message: `task ${done + i}` })));
    for (let i = done; i < done + count; i++) await runNext(consumers, i);
  }
  await spread(mesh, nodes.length, spanMs);
}

/** A heartbeat of a node of {@link fillMesh}; its load changes from one to the next. */
export async function beat(mesh: TestMesh, nodeId: string): Promise<void> {
  const pools = { default: { concurrency: 4, running: 0 } };
  const load = { cpu: Math.random(), memory: Math.random(), eventLoopDelayMs: 10 * Math.random() };
  const gates = [{ name: 'free-disk', open: true, reason: null, fix: null }];
  const record = aNodeRecord({ host: nodeId, pools, gates, load, leaseMs: LEASE_MS });
  await mesh.registry.beat({ nodeId, incarnation: 1 }, record, sweepHow(nodeId, { leaseMs: LEASE_MS }));
}

async function runNext(consumers: readonly PoolConsumer[], index: number): Promise<void> {
  const [consumer, other] = [consumers[index % consumers.length], consumers[(index + 1) % consumers.length]];
  const claim = await consumer?.claim();
  if (!consumer || !other || !claim) throw new Error(`no task ${index} to claim`);
  if (index % MOVES === 0) {
    await consumer.release(claim, 'drain');
    const again = await other.claim();
    if (again) await other.report(again, success);
  } else if (index % FAILS === 0) {
    await consumer.report(claim, { ok: false, error: taskError('invalid', 'no such repository') });
  } else {
    await consumer.report(claim, success);
  }
}

/** Each node runs two tasks at once, from then until now. */
async function spread({ redis, keys }: TestMesh, nodes: number, spanMs: number): Promise<void> {
  const now = Date.now();
  const ended: { id: string; key: string; endedAt: number }[] = [];
  for (const key of [keys.pool('default', 'completed'), keys.pool('default', 'failed')]) {
    const flat = await redis.zrange(key, 0, '-1', 'WITHSCORES');
    for (let i = 0; i < flat.length; i += 2) ended.push({ id: flat[i] ?? '', key, endedAt: Number(flat[i + 1]) });
  }
  ended.sort((a, b) => a.endedAt - b.endedAt);
  const step = spanMs / Math.ceil(ended.length / nodes);
  for (let start = 0; start < ended.length; start += BATCH) {
    const batch = ended.slice(start, start + BATCH);
    const histories = await Promise.all(batch.map(({ id }) => redis.hget(keys.task('default', id), 'cm:history')));
    const writes = redis.pipeline();
    for (const [offset, { id, key }] of batch.entries()) {
      const from = Math.round(now - spanMs + ((start + offset) / nodes) * step);
      const to = Math.min(now - 1, from + Math.round(step * (1 + (offset % 7) / 10)));
      const middle = Math.round((from + to) / 2);
      const times = [from, middle - Math.round(step / 20)];
      const lines = (histories[offset] ?? '').split('\n').filter((line) => line !== '');
      const moved = lines.map(
        (line, index) => `${JSON.stringify({ ...JSON.parse(line), at: times[index] ?? middle })}\n`,
      );
      const fields = { timestamp: from - 1_000, processedOn: moved.length > 0 ? middle : from, finishedOn: to };
      writes.hset(keys.task('default', id), moved.length > 0 ? { ...fields, 'cm:history': moved.join('') } : fields);
      writes.zadd(key, to, id);
    }
    await writes.exec();
  }
}
