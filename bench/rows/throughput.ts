import { TaskProducer } from '../../src/queue/bullmq/task-producer.ts';
import { type Bed, end, type Kind, message } from '../bed.ts';
import { quantile, type Row } from '../harness.ts';

const LATENCY_SAMPLES = 300;
const WARM_UP = 20;

/** Tasks that do nothing: how many per second, and how long one takes to be started by an idle worker. */
export function throughputRows(bed: Bed, tasks: number): Row[] {
  const both = (measure: (kind: Kind) => Promise<number>) => ({
    clawmesh: () => measure('clawmesh'),
    'raw BullMQ': () => measure('raw'),
  });
  const rates = [1, 2, 4].flatMap((processes) =>
    [1, 10, 50].map((concurrency) => ({
      name: `no-op tasks, concurrency ${concurrency}, ${processes} process${processes > 1 ? 'es' : ''}`,
      unit: 'tasks/s',
      moreIsBetter: true,
      goal: 0.9,
      contestants: both((kind) => rate(bed, kind, { concurrency, processes, tasks })),
    })),
  );
  // Each of the two rows has runs of its own: what is measured together would not be independent.
  const latencies = [
    { q: 0.5, goal: 1.1 },
    { q: 0.99, goal: 1.5 },
  ].map(({ q, goal }) => ({
    name: `enqueue → start, p${q * 100}`,
    unit: 'ms',
    digits: 2,
    moreIsBetter: false,
    goal,
    contestants: both(async (kind) => quantile(await latency(bed, kind), q)),
  }));
  return [...rates, ...latencies];
}

/** From a tenth of the tasks to the last, so that no contestant's start counts; seen from outside, by the set of completed tasks. */
async function rate(
  bed: Bed,
  kind: Kind,
  { concurrency, processes, tasks }: { concurrency: number; processes: number; tasks: number },
): Promise<number> {
  await bed.fill(tasks, 'sleep 0ms');
  const names = Array.from({ length: processes }, (_, i) => `bench-${i}`);
  const workers = names.map((node) => bed.shipped(kind, node, concurrency));
  const from = await bed.completed(tasks / 10);
  const counted = tasks - (await bed.redis.zcard(bed.keys.pool('default', 'completed')));
  const to = await bed.completed(tasks);
  await end(...workers);
  return (counted / (to - from)) * 1_000;
}

async function latency(bed: Bed, kind: Kind): Promise<number[]> {
  await bed.redis.flushall();
  const child = await bed.worker(kind, { extra: ['--tell'] });
  const producer = new TaskProducer(bed.redis, bed.keys);
  const task = { message: 'x', pool: 'default', priority: 0, delayMs: 0, attempts: 3, tags: {} };
  const samples: number[] = [];
  for (let i = 0; i < LATENCY_SAMPLES; i++) {
    const started = message(child, 'started');
    const at = performance.timeOrigin + performance.now();
    // Both get the same enqueue, so that only claiming differs.
    await producer.enqueue([task]);
    samples.push((await started).at - at);
  }
  await end(child);
  return samples.slice(WARM_UP);
}
