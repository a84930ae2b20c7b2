import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Queue } from 'bullmq';
import { TaskProducer } from '../../src/queue/bullmq/task-producer.ts';
import { cleanEnv, entry, writeConfig } from '../../test/support/cli.ts';
import { emptyFolder } from '../../test/support/folders.ts';
import type { Bed } from '../bed.ts';
import type { Row } from '../harness.ts';

const ONE_BY_ONE = 3_000;
const BATCH = 1_000;

/** Queueing the same tasks, one by one and many at once, from a program and from a file with the command. */
export function enqueueRows(bed: Bed, bulk: number): Row[] {
  const producer = new TaskProducer(bed.redis, bed.keys);
  const message = (n: number) => `task ${n}: ${'x'.repeat(150)}`;
  const task = (n: number) => ({
    message: message(n),
    pool: 'default',
    priority: 0,
    delayMs: 0,
    attempts: 3,
    tags: {},
  });
  const job = (n: number) => ({ name: 'task', data: { message: message(n), tags: {} }, opts: { attempts: 3 } });
  const raw = new Queue('raw', { connection: bed.redis as never });
  const perSecond = async (count: number, run: () => unknown) => {
    await bed.redis.flushall();
    const from = performance.now();
    await run();
    return (count / (performance.now() - from)) * 1_000;
  };
  const inBatches = async (add: (numbers: number[]) => Promise<unknown>) => {
    for (let start = 0; start < bulk; start += BATCH) await add(Array.from({ length: BATCH }, (_, k) => start + k));
  };
  const config = writeConfig(`mesh: bench\nredis: {url: "${bed.server.url}"}\nopenclaw: {mode: simulate}\n`);
  const file = join(emptyFolder(), 'tasks.jsonl');
  writeFileSync(file, Array.from({ length: bulk }, (_, n) => `${JSON.stringify({ message: message(n) })}\n`).join(''));
  const command = () => {
    const args = [entry, '--config', config, 'enqueue', '--from', file, '--quiet'];
    execFileSync(process.execPath, args, { env: cleanEnv(), stdio: 'ignore' });
  };
  const bulkRaw = () => inBatches((numbers) => raw.addBulk(numbers.map(job)));
  return [
    {
      name: 'enqueue one by one',
      unit: 'tasks/s',
      moreIsBetter: true,
      contestants: {
        clawmesh: () =>
          perSecond(ONE_BY_ONE, async () => {
            for (let n = 0; n < ONE_BY_ONE; n++) await producer.enqueue([task(n)]);
          }),
        'raw BullMQ': () =>
          perSecond(ONE_BY_ONE, async () => {
            for (let n = 0; n < ONE_BY_ONE; n++) await raw.add('task', job(n).data, job(n).opts);
          }),
      },
    },
    {
      name: `enqueue ${bulk}, batches of ${BATCH}`,
      unit: 'tasks/s',
      moreIsBetter: true,
      goal: 0.95,
      contestants: {
        clawmesh: () => perSecond(bulk, () => inBatches((numbers) => producer.enqueue(numbers.map(task)))),
        'raw BullMQ': () => perSecond(bulk, bulkRaw),
      },
    },
    {
      name: `clawmesh enqueue --from, ${bulk} lines`,
      unit: 'tasks/s',
      moreIsBetter: true,
      contestants: {
        clawmesh: () => perSecond(bulk, command),
        'addBulk in a warm process': () => perSecond(bulk, bulkRaw),
      },
    },
  ];
}
