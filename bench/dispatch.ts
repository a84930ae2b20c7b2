import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Redis } from 'ioredis';
import { DISPATCH_STRATEGIES, type DispatchStrategy } from '../src/domain/dispatch.ts';
import { TaskProducer } from '../src/queue/bullmq/task-producer.ts';
import { MeshKeys } from '../src/redis/keys.ts';
import { SpawnedRedis } from '../test/support/redis.ts';

// The dispatch strategies beside each other: three nodes as processes of their own, on one Redis. Who gets how many tasks,
// and what that costs against pull; rounds are interleaved, the figures that count are the ratios.
const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '5' }, tasks: { type: 'string', default: '600' } },
});
const rounds = Number(values.rounds);
const tasks = Number(values.tasks);
const SHORT_MS = 20;
const NO_OPS = 10_000;
const LATENCY_SAMPLES = 200;

interface Started {
  readonly node: string;
  readonly id: string;
  readonly at: number;
}

const server = await SpawnedRedis.start();
const redis = new Redis(server.port, '127.0.0.1', { maxRetriesPerRequest: null });
const keys = new MeshKeys({ prefix: 'clawmesh', mesh: 'bench' });
const producer = new TaskProducer(redis, keys);
const task = { message: 'x', pool: 'default', priority: 0, delayMs: 0, attempts: 3, tags: {} };

/** Nodes of these sizes, and what they have started. */
class Nodes {
  readonly started: Started[] = [];
  readonly #children: ChildProcess[] = [];

  static async start(strategy: DispatchStrategy, sizes: readonly number[], kind: readonly string[]): Promise<Nodes> {
    await redis.flushall();
    const nodes = new Nodes();
    const ready = sizes.map((size, index) => {
      const node = `n${index + 1}`;
      const args = [
        '--tell',
        '--url',
        server.url,
        '--node',
        node,
        '--concurrency',
        String(size),
        '--strategy',
        strategy,
        ...kind,
      ];
      const child = fork(new URL('./worker.ts', import.meta.url), args);
      nodes.#children.push(child);
      return new Promise<void>((resolve) => {
        child.on('message', (message: { type: string; id: string; at: number }) => {
          if (message.type === 'ready') resolve();
          if (message.type === 'started') nodes.started.push({ node, id: message.id, at: message.at });
        });
      });
    });
    await Promise.all(ready);
    // All wait for work.
    await sleep(500);
    return nodes;
  }

  /** Waits until this many tasks have started. */
  async until(count: number): Promise<void> {
    while (this.started.length < count) await sleep(1);
  }

  /** Tasks per node. */
  counts(): number[] {
    return this.#children.map((_, index) => this.started.filter(({ node }) => node === `n${index + 1}`).length);
  }

  async stop(): Promise<void> {
    await Promise.all(
      this.#children.map(async (child) => {
        const exited = once(child, 'exit');
        child.kill('SIGKILL');
        await exited;
      }),
    );
  }
}

try {
  console.log('6 long tasks one by one, 3 nodes with 4 slots each; nodes with 1, 2 and 8 slots, 5 tasks and 11 tasks');
  for (const strategy of DISPATCH_STRATEGIES) {
    const deal = async (sizes: number[], count: number, gapMs: number) => {
      const nodes = await Nodes.start(strategy, sizes, ['--hold']);
      for (let i = 0; i < count; i++) {
        await producer.enqueue([task]);
        if (gapMs > 0) await nodes.until(i + 1);
      }
      await nodes.until(count);
      await nodes.stop();
      return nodes.counts().join('/');
    };
    const one = await deal([4, 4, 4], 6, 1);
    const burst = await deal([4, 4, 4], 6, 0);
    const unequal = [await deal([1, 2, 8], 5, 1), await deal([1, 2, 8], 11, 1)];
    console.log(`${strategy.padEnd(14)}${one} (in a burst ${burst})   ${unequal.join('   ')}`);
  }

  console.log(
    `\n${tasks} tasks of ${SHORT_MS} ms, and ${NO_OPS} that do nothing; 3 nodes with 4 slots each; ${rounds} rounds, medians`,
  );
  const figures: Record<string, Record<DispatchStrategy, number[]>> = {};
  const note = (row: string, strategy: DispatchStrategy, figure: number) => {
    figures[row] ??= { pull: [], 'round-robin': [], 'least-loaded': [] };
    figures[row][strategy].push(figure);
  };
  const rate = async (strategy: DispatchStrategy, count: number, ms: number) => {
    const nodes = await Nodes.start(strategy, [4, 4, 4], ['--ms', String(ms)]);
    const at = performance.now();
    await producer.enqueue(Array.from({ length: count }, () => task));
    await nodes.until(count);
    const perSecond = (count / (performance.now() - at)) * 1_000;
    await nodes.stop();
    return { perSecond, variation: variation(nodes.counts()) };
  };
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < DISPATCH_STRATEGIES.length; i++) {
      const strategy = DISPATCH_STRATEGIES[(i + round) % DISPATCH_STRATEGIES.length] as DispatchStrategy;
      const short = await rate(strategy, tasks, SHORT_MS);
      note('short tasks/s', strategy, short.perSecond);
      note('variation between nodes', strategy, short.variation);
      note('no-op tasks/s', strategy, (await rate(strategy, NO_OPS, 0)).perSecond);
      const latencies = await latency(strategy);
      note('enqueue → start p50, ms', strategy, quantile(latencies, 0.5));
      note('enqueue → start p99, ms', strategy, quantile(latencies, 0.99));
    }
  }
  console.log(`${''.padEnd(26)}${DISPATCH_STRATEGIES.map((strategy) => strategy.padEnd(24)).join('')}`);
  for (const [row, of] of Object.entries(figures)) {
    const cells = DISPATCH_STRATEGIES.map((strategy) => {
      const ratios = of[strategy].map((figure, round) => figure / (of.pull[round] as number)).sort((a, b) => a - b);
      const ratio = row.endsWith('/s')
        ? ` × ${quantile(ratios, 0.5).toFixed(2)} (${ratios[0]?.toFixed(2)}–${ratios.at(-1)?.toFixed(2)})`
        : '';
      return `${quantile(of[strategy], 0.5).toPrecision(3)}${ratio}`.padEnd(24);
    });
    console.log(`${row.padEnd(26)}${cells.join('')}`);
  }
  await producer.close();
} finally {
  redis.disconnect();
  await server.stop();
}

/** Of tasks that come one by one to idle nodes, ms. */
async function latency(strategy: DispatchStrategy): Promise<number[]> {
  const nodes = await Nodes.start(strategy, [4, 4, 4], []);
  const latencies: number[] = [];
  for (let sample = 0; sample < LATENCY_SAMPLES; sample++) {
    const before = performance.timeOrigin + performance.now();
    await producer.enqueue([task]);
    await nodes.until(sample + 1);
    latencies.push((nodes.started.at(-1) as Started).at - before);
    await sleep(5);
  }
  await nodes.stop();
  return latencies.slice(20);
}

/** Coefficient of variation: standard deviation by mean. */
function variation(counts: readonly number[]): number {
  const mean = counts.reduce((sum, count) => sum + count, 0) / counts.length;
  return Math.sqrt(counts.reduce((sum, count) => sum + (count - mean) ** 2, 0) / counts.length) / mean;
}

function quantile(numbers: readonly number[], q: number): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] as number;
}
