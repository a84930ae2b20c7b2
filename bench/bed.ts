import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { MeshKeys } from '../src/redis/keys.ts';
import { SpawnedRedis } from '../test/support/redis.ts';

export type Kind = 'clawmesh' | 'raw';
export type Message = { type: 'ready' } | { type: 'started'; id: string; at: number } | { type: 'rss'; bytes: number };

/** What every measurement needs: one Redis for all contestants, one queue, and worker processes of each kind. */
export class Bed {
  readonly server: SpawnedRedis;
  readonly redis: Redis;
  readonly keys = new MeshKeys({ prefix: 'clawmesh', mesh: 'bench' });
  readonly queue: Queue;
  /** Of the daemons: configs and logs. */
  readonly #folder = mkdtempSync(join(tmpdir(), 'clawmesh-bench-'));

  private constructor(server: SpawnedRedis) {
    this.server = server;
    this.redis = new Redis(server.port, '127.0.0.1', { maxRetriesPerRequest: null });
    this.queue = new Queue('default', { connection: this.redis as never, prefix: this.keys.bullPrefix });
  }

  static async start(): Promise<Bed> {
    return new Bed(await SpawnedRedis.start());
  }

  async stop(): Promise<void> {
    this.redis.disconnect();
    await this.server.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** Tasks as clawmesh stores them, which BullMQ reads as its own. */
  async fill(count: number, message = 'x'.repeat(100)): Promise<void> {
    await this.redis.flushall();
    const data = { v: 1, message, tags: {}, attempts: 3 };
    for (let done = 0; done < count; done += 1_000) {
      const part = Math.min(1_000, count - done);
      await this.queue.addBulk(Array.from({ length: part }, () => ({ name: 'task', data, opts: { attempts: 3 } })));
    }
  }

  /**
   * What users start, begun and not yet up: the built `clawmesh node run` with its defaults and its log in a file, as launchd
   * runs it, or the BullMQ worker that they would write instead.
   */
  shipped(kind: Kind, node: string, concurrency: number): ChildProcess {
    const log = openSync(join(this.#folder, `${node}.log`), 'w');
    const stdio = ['ignore', log, log] as const;
    if (kind === 'raw') {
      const script = join(import.meta.dirname, 'plain-worker.mjs');
      const args = [`${this.server.port}`, this.keys.bullPrefix, `${concurrency}`];
      return spawn(process.execPath, [script, ...args], { stdio: [...stdio] });
    }
    const config = join(this.#folder, `${node}.yaml`);
    const redis = `mesh: bench\nredis: {url: "${this.server.url}"}\n`;
    writeFileSync(config, `${redis}openclaw: {mode: simulate}\nnode: {pools: {default: ${concurrency}}}\n`);
    const main = join(import.meta.dirname, '../dist/cli/main.js');
    const env = { ...process.env, HOME: this.#folder, CLAWMESH_HOME: join(this.#folder, node), CLAWMESH_NODE_ID: node };
    return spawn(process.execPath, [main, '--config', config, 'node', 'run'], { stdio: [...stdio], env });
  }

  /** A process with one worker, ready to work. */
  async worker(
    kind: Kind,
    options: { node?: string; concurrency?: number; extra?: string[] } = {},
  ): Promise<ChildProcess> {
    const { node = 'bench-1', concurrency = 1, extra = [] } = options;
    const args = [
      '--kind',
      kind,
      '--url',
      this.server.url,
      '--concurrency',
      `${concurrency}`,
      '--node',
      node,
      ...extra,
    ];
    const child = fork(new URL('./worker.ts', import.meta.url), args);
    await message(child, 'ready');
    return child;
  }

  /** Resolves when this many tasks have been completed, which it looks for every 5 ms; with the time, ms. */
  async completed(count: number): Promise<number> {
    while ((await this.redis.zcard(this.keys.pool('default', 'completed'))) < count) await sleep(5);
    return performance.now();
  }
}

/** The next message of this type. @throws Error if the process ends before. */
export function message<T extends Message['type']>(child: ChildProcess, type: T): Promise<Message & { type: T }> {
  return new Promise((resolve, reject) => {
    const exited = (code: number | null) => reject(new Error(`worker ended with ${code}`));
    const listen = (received: Message) => {
      if (received.type !== type) return;
      child.off('message', listen);
      child.off('exit', exited);
      resolve(received as Message & { type: T });
    };
    child.on('message', listen);
    child.once('exit', exited);
  });
}

export async function end(...children: ChildProcess[]): Promise<void> {
  for (const child of children) {
    child.removeAllListeners('exit');
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited.catch(() => {});
  }
}
