import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { cleanEnv, entry, writeConfig } from '../../test/support/cli.ts';
import { type Bed, end, type Kind, message } from '../bed.ts';
import type { Row } from '../harness.ts';

const WORKERS = 10;
const IDLE_MS = 20_000;
const WARM_TASKS = 10_000;
const FINISHED = 20_000;

/** What it costs to have workers that do nothing, or have done much. */
export function idleRows(bed: Bed): Row[] {
  const both = (measure: (kind: Kind) => Promise<number>) => ({
    clawmesh: () => measure('clawmesh'),
    'raw BullMQ': () => measure('raw'),
  });
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
      rounds: 3,
      contestants: both((kind) => idle(bed, kind, requests)),
    },
    {
      name: `Redis commands of ${WORKERS} idle workers, those inside scripts too`,
      unit: 'per second',
      digits: 1,
      moreIsBetter: false,
      rounds: 3,
      contestants: both((kind) => idle(bed, kind, growth(commands))),
    },
    {
      name: `CPU of ${WORKERS} idle workers and their Redis`,
      unit: '% of a core',
      digits: 2,
      moreIsBetter: false,
      rounds: 3,
      contestants: both((kind) => idle(bed, kind, growth(cpuTime))),
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

/** Begins to count; answers how to end that, with the count. */
type Meter = (bed: Bed, pids: readonly number[]) => Promise<() => Promise<number>>;
type Reading = (bed: Bed, pids: readonly number[]) => Promise<number>;

/** What a meter counts per second while all idle. */
async function idle(bed: Bed, kind: Kind, begin: Meter): Promise<number> {
  await bed.redis.flushall();
  const names = Array.from({ length: WORKERS }, (_, i) => `bench-${i}`);
  const workers = await Promise.all(names.map((node) => bed.worker(kind, { node })));
  await sleep(3_000); // all is set up
  const pids = [bed.server.pid, ...workers.map(({ pid }) => pid as number)];
  const [finish, from] = [await begin(bed, pids), performance.now()];
  await sleep(IDLE_MS);
  const perSecond = (await finish()) / ((performance.now() - from) / 1_000);
  await end(...workers);
  return perSecond;
}

function growth(read: Reading): Meter {
  return async (bed, pids) => {
    const before = await read(bed, pids);
    return async () => (await read(bed, pids)) - before;
  };
}

/** What workers send; a script is one request, whatever it calls. */
const requests: Meter = async ({ redis }) => {
  const monitor = await redis.monitor();
  let count = 0;
  monitor.on('monitor', (_time: string, _args: string[], source: string) => {
    if (source !== 'lua') count++;
  });
  return async () => {
    monitor.disconnect();
    return count;
  };
};

const commands: Reading = async ({ redis }) => {
  const [, count] = /total_commands_processed:(\d+)/.exec(await redis.info('stats')) ?? [];
  return Number(count);
};

/** Used so far, in % of a core times seconds. Linux only; elsewhere the row has no figure. */
const cpuTime: Reading = async (_, pids) => {
  const ticks = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));
  const used = pids.map((pid) => {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /, '')
      .split(' ');
    return Number(fields[11]) + Number(fields[12]);
  });
  return (used.reduce((sum, each) => sum + each, 0) / ticks) * 100;
};

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
