import { type ChildProcess, execFileSync, fork, spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { emptyFolder } from '../../test/support/folders.ts';
import { reservePort } from '../../test/support/ports.ts';
import { type Bed, end, message } from '../bed.ts';
import { quantile, type Row } from '../harness.ts';

const SLOTS = 4;
/** The longest wait for a peer with its defaults, ms. */
const CAP_MS = 120_000;

/**
 * `kill -9` of a worker with four running tasks, while another one is idle: the median of the time until they run again.
 * All with their defaults.
 */
export function takeoverRows(bed: Bed): Row[] {
  const of = (kind: string) => async () => {
    await bed.redis.flushall();
    return takeover((name) =>
      fork(new URL('../takeover-worker.ts', import.meta.url), [kind, bed.server.url, name, `${SLOTS}`]),
    );
  };
  const postgres = findPostgres();
  return [
    {
      name: 'takeover after kill -9',
      unit: 'ms',
      moreIsBetter: false,
      goal: 1 / 30,
      cap: `> ${CAP_MS}`,
      contestants: {
        clawmesh: of('clawmesh'),
        'raw BullMQ': of('raw'),
        'bee-queue': of('bee-queue'),
        ...(postgres && { 'graphile-worker': () => withPostgres(postgres, graphile) }),
      },
    },
  ];
}

const graphile = (url: string) =>
  takeover((name) =>
    fork(new URL('../takeover-worker.ts', import.meta.url), ['graphile-worker', url, name, `${SLOTS}`]),
  );

async function takeover(start: (name: string) => ChildProcess): Promise<number | undefined> {
  const victim = start('victim');
  await message(victim, 'ready');
  const first = starts(victim, SLOTS);
  victim.send({ queue: SLOTS });
  await first;
  const other = start('other');
  await message(other, 'ready');
  await sleep(2_000); // everybody has seen everybody
  const again = starts(other, SLOTS);
  const killedAt = performance.timeOrigin + performance.now();
  victim.kill('SIGKILL');
  const times = await Promise.race([again, sleep(CAP_MS, undefined, { ref: false })]);
  await end(other);
  return (
    times &&
    quantile(
      times.map((at) => at - killedAt),
      0.5,
    )
  );
}

function starts(worker: ChildProcess, count: number): Promise<number[]> {
  const times: number[] = [];
  return new Promise((resolve) => {
    worker.on('message', (received: { type: string; at: number }) => {
      if (received.type === 'started' && times.push(received.at) === count) resolve(times);
    });
  });
}

function findPostgres(): string | undefined {
  const root = '/usr/lib/postgresql';
  const found = existsSync(root) ? readdirSync(root).map((version) => join(root, version, 'bin')) : [];
  return found.filter((bin) => existsSync(join(bin, 'initdb'))).at(-1);
}

/** A server of its own; PostgreSQL does not run as root, so there it runs as the user of the package. */
async function withPostgres<T>(bin: string, use: (url: string) => Promise<T>): Promise<T> {
  const folder = emptyFolder();
  const port = await reservePort();
  const root = process.getuid?.() === 0;
  const as = root ? ['setpriv', '--reuid=postgres', '--regid=postgres', '--clear-groups'] : [];
  if (root) execFileSync('chown', ['postgres:', folder]);
  const run = (program: string, args: string[]) => [...as, join(bin, program), ...args] as [string, ...string[]];
  const [init, ...initArgs] = run('initdb', ['-D', join(folder, 'data'), '-A', 'trust', '-U', 'postgres']);
  execFileSync(init, initArgs, { cwd: folder, stdio: 'ignore' });
  const [postgres, ...args] = run('postgres', ['-D', join(folder, 'data'), '-p', `${port}`, '-k', folder]);
  const server = spawn(postgres, args, { cwd: folder, stdio: 'ignore' });
  try {
    await sleep(2_000);
    return await use(`postgres://postgres@127.0.0.1:${port}/postgres`);
  } finally {
    server.kill('SIGINT');
  }
}
