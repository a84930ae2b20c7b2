import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { cleanEnv, entry, writeConfig } from '../../test/support/cli.ts';
import { type Bed, end, type Kind, message } from '../bed.ts';
import type { Row } from '../harness.ts';

const WORKERS = 10;
/** Long enough for all that is done once a minute. */
const IDLE_MS = 60_000;
const WARM_TASKS = 10_000;
const FINISHED = 20_000;

/** What it costs to have workers that do nothing, or have done much. */
export function idleRows(bed: Bed): Row[] {
  const both = (measure: (kind: Kind) => Promise<number>) => ({
    clawmesh: () => measure('clawmesh'),
    'raw BullMQ': () => measure('raw'),
  });
  const idles = new Map<Kind, Promise<Idle>[]>();
  /** The rows about idle workers share their rounds. */
  const whileIdle = (what: keyof Idle) => {
    const next: Record<Kind, number> = { clawmesh: 0, raw: 0 };
    return both(async (kind) => {
      const measured = idles.get(kind) ?? [];
      idles.set(kind, measured);
      const round = next[kind]++;
      measured[round] ??= idle(bed, kind);
      return (await measured[round])[what];
    });
  };
  const config = writeConfig(`mesh: bench\nredis: {url: "${bed.server.url}"}\nopenclaw: {mode: simulate}\n`);
  const start =
    (...args: string[]) =>
    async () => {
      const from = performance.now();
      spawnSync(process.execPath, args, { env: cleanEnv(), stdio: 'ignore' });
      return performance.now() - from;
    };
  const cli = (...args: string[]) => ({
    clawmesh: start(entry, '--config', config, ...args),
    'node -e 0': start('-e', '0'),
  });
  return [
    {
      name: `Requests to Redis of ${WORKERS} idle workers`,
      unit: 'per second',
      digits: 1,
      moreIsBetter: false,
      // A bare worker sends 0.4 a second: that, and one per heartbeat (5 s).
      goal: 1.5,
      rounds: 3,
      contestants: whileIdle('requests'),
    },
    {
      name: `Redis commands of ${WORKERS} idle workers, those inside scripts too`,
      unit: 'per second',
      digits: 1,
      moreIsBetter: false,
      rounds: 3,
      contestants: whileIdle('commands'),
    },
    {
      name: `CPU of ${WORKERS} idle workers and their Redis`,
      unit: '% of a core',
      digits: 2,
      moreIsBetter: false,
      rounds: 3,
      contestants: whileIdle('cpu'),
    },
    {
      name: 'RSS of an idle worker process',
      unit: 'MiB',
      moreIsBetter: false,
      goal: 1.3,
      contestants: both((kind) => rss(bed, kind, 0)),
    },
    {
      name: `RSS after ${WARM_TASKS} tasks`,
      unit: 'MiB',
      moreIsBetter: false,
      goal: 1.3,
      contestants: both((kind) => rss(bed, kind, WARM_TASKS)),
    },
    {
      name: 'Redis memory per finished task',
      unit: 'bytes',
      moreIsBetter: false,
      rounds: 2,
      contestants: both((kind) => memoryPerTask(bed, kind)),
    },
    { name: 'clawmesh --version', unit: 'ms', moreIsBetter: false, contestants: cli('--version') },
    { name: 'clawmesh status', unit: 'ms', moreIsBetter: false, contestants: cli('status') },
  ];
}

/** Of all workers together, per second. */
interface Idle {
  /** What they send to Redis; a script is one request, whatever it calls. */
  readonly requests: number;
  /** What Redis does for them, inside of scripts, too. */
  readonly commands: number;
  /** Of workers and Redis, in % of a core. Linux only. */
  readonly cpu: number;
}

async function idle(bed: Bed, kind: Kind): Promise<Idle> {
  await bed.redis.flushall();
  const names = Array.from({ length: WORKERS }, (_, i) => `bench-${i}`);
  const workers = await Promise.all(names.map((node) => bed.worker(kind, { node })));
  await sleep(3_000); // all is set up
  const pids = [bed.server.pid, ...workers.map(({ pid }) => pid as number)];
  const monitor = await bed.redis.monitor();
  let requests = 0;
  monitor.on('monitor', (_time: string, _args: string[], source: string) => {
    if (source !== 'lua') requests++;
  });
  const [before, usedBefore, from] = [await commandsSoFar(bed), cpuTime(pids), performance.now()];
  await sleep(IDLE_MS);
  const seconds = (performance.now() - from) / 1_000;
  const used = cpuTime(pids) - usedBefore;
  monitor.disconnect();
  const commands = (await commandsSoFar(bed)) - before;
  await end(...workers);
  return { requests: requests / seconds, commands: commands / seconds, cpu: used / seconds };
}

async function commandsSoFar({ redis }: Bed): Promise<number> {
  const [, count] = /total_commands_processed:(\d+)/.exec(await redis.info('stats')) ?? [];
  return Number(count);
}

/** Used so far, in % of a core times seconds. */
function cpuTime(pids: readonly number[]): number {
  const ticks = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));
  const used = pids.map((pid) => {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /, '')
      .split(' ');
    return Number(fields[11]) + Number(fields[12]);
  });
  return (used.reduce((sum, each) => sum + each, 0) / ticks) * 100;
}

async function rss(bed: Bed, kind: Kind, tasks: number): Promise<number> {
  await bed.fill(tasks);
  const worker = await bed.worker(kind, { concurrency: 10 });
  await bed.completed(tasks);
  await sleep(2_000);
  const reply = message(worker, 'rss');
  worker.send('rss');
  const { bytes } = await reply;
  await end(worker);
  return bytes / 2 ** 20;
}

/** Tasks with an answer, so that both keep the same. */
async function memoryPerTask(bed: Bed, kind: Kind): Promise<number> {
  await bed.redis.flushall();
  const before = await usedMemory(bed);
  await bed.fill(FINISHED);
  const worker = await bed.worker(kind, { concurrency: 10 });
  await bed.completed(FINISHED);
  await end(worker);
  return ((await usedMemory(bed)) - before) / FINISHED;
}

async function usedMemory({ redis }: Bed): Promise<number> {
  const [, bytes] = /used_memory:(\d+)/.exec(await redis.info('memory')) ?? [];
  return Number(bytes);
}
