import { Queue, Worker } from 'bullmq';
import { loadConfig } from '../src/config/load.ts';
import { createLogger } from '../src/log/logger.ts';
import { Daemon } from '../src/node/daemon.ts';
import { NO_OBSERVER } from '../src/node/observer.ts';
import { systemClock } from '../src/platform/clock.ts';
import { redisTarget } from '../src/redis/target.ts';
import { runCli, writeConfig } from '../test/support/cli.ts';
import { emptyFolder } from '../test/support/folders.ts';
import './with-parent.ts';

// One worker of `rows/takeover.ts` with its library's defaults. Its tasks never end; it tells its parent of each start.
const [kind = '', url = '', name = '', slots = ''] = process.argv.slice(2);
const { hostname, port } = new URL(url);
const redis = { host: hostname, port: Number(port) };
const concurrency = Number(slots);
const started = () => process.send?.({ type: 'started', at: performance.timeOrigin + performance.now() });
const work = () => {
  started();
  return new Promise<never>(() => {});
};

const KINDS: Record<string, () => Promise<(count: number) => Promise<unknown>>> = {
  async clawmesh() {
    const file = writeConfig(
      `mesh: t\nredis: {url: "${url}"}\nopenclaw: {mode: simulate}\nnode: {pools: {default: ${concurrency}}}\n`,
    );
    const env = { ...process.env, CLAWMESH_HOME: emptyFolder() };
    const loaded = loadConfig({ file, env });
    const daemon = new Daemon({
      nodeId: name,
      loaded,
      reload: () => loaded,
      target: redisTarget(loaded.config, env),
      version: '0',
      clock: systemClock,
      log: createLogger({ level: 'error', format: 'json' }),
      observer: { ...NO_OBSERVER, claimed: started },
      env,
      signal: new AbortController().signal,
    });
    void daemon.run();
    const isUp = async () => (await runCli(['--config', file, 'node', 'show', name])).stdout.includes('up');
    while (!(await isUp())) await new Promise((resolve) => setTimeout(resolve, 100));
    return (count) =>
      runCli(['--config', file, 'enqueue', '--from', '-'], { input: '{"message":"sleep 10m"}\n'.repeat(count) });
  },
  async raw() {
    await new Worker('t', work, { connection: redis, concurrency }).waitUntilReady();
    const queue = new Queue('t', { connection: redis });
    return (count) => queue.addBulk(Array.from({ length: count }, () => ({ name: 'x', data: {} })));
  },
  async 'bee-queue'() {
    const { default: Bee } = await import('bee-queue');
    const queue = new Bee('t', { redis });
    queue.process(concurrency, work);
    // It looks for stalled jobs only on request, which its documentation makes with the default interval.
    queue.checkStalledJobs(5_000);
    await queue.ready();
    return (count) => Promise.all(Array.from({ length: count }, () => queue.createJob({}).save()));
  },
  async 'graphile-worker'() {
    const { run } = await import('graphile-worker');
    const runner = await run({ connectionString: url, concurrency, taskList: { t: work } });
    return (count) => Promise.all(Array.from({ length: count }, () => runner.addJob('t', {})));
  },
};

const queue = await KINDS[kind]?.();
process.on('message', ({ queue: count }: { queue: number }) => void queue?.(count));
process.send?.({ type: 'ready' });
