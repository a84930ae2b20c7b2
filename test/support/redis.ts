import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { findProgram } from '../../src/platform/find-program.ts';
import { TaskReader } from '../../src/queue/bullmq/task-reader.ts';
import { MeshKeys } from '../../src/redis/keys.ts';
import { remember, type Witness } from './evidence.ts';
import { emptyFolder } from './folders.ts';
import { reservePort } from './ports.ts';
import { spawnOwned } from './processes.ts';

/** Loading takes a while on a machine that is busy with other things, ms. */
const START_TIMEOUT_MS = 60_000;

/** The server under test: what the environment names (`npm run test:all servers`), else the one that is installed. */
export function redisProgram(): string {
  const named = process.env.CLAWMESH_TEST_REDIS_SERVER;
  const program = named || findProgram(['redis-server', 'valkey-server'], process.env);
  if (!program) throw new Error('neither redis-server nor valkey-server is on PATH; run scripts/setup');
  return program;
}

/** A real `redis-server` of the test's own, on a reserved port, with append-only persistence like in production. */
export class SpawnedRedis implements Witness {
  readonly name: string;
  readonly port: number;
  readonly folder = emptyFolder();
  readonly #extra: readonly string[];
  #child: ChildProcess | undefined;
  #stopped = false;

  private constructor(port: number, extra: readonly string[]) {
    this.name = `redis-${port}`;
    this.port = port;
    this.#extra = extra;
  }

  static async start(extra: readonly string[] = []): Promise<SpawnedRedis> {
    const server = new SpawnedRedis(await reservePort(), extra);
    remember(server);
    await server.up();
    return server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  get live(): boolean {
    return !this.#stopped;
  }

  /** Starts the server (again), on the same port and data, now also with `more` settings. @throws Error if it ends instead. */
  async up(more: readonly string[] = []): Promise<void> {
    await this.#launch(this.port, more);
  }

  async #launch(port: number, more: readonly string[] = []): Promise<void> {
    const settings = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', this.folder];
    const own = ['--unixsocket', this.#socket, '--logfile', join(this.folder, 'redis.log')];
    // With an fsync each second Redis answers before it writes while the disk is slow, and loses that when it is killed.
    const persistence = ['--appendonly', 'yes', '--appendfsync', 'no', '--save', ''];
    const child = spawnOwned(redisProgram(), [...settings, ...own, ...persistence, ...this.#extra, ...more], {
      stdio: 'ignore',
    });
    this.#child = child;
    await this.#serving(child);
  }

  /** Ends the server; its data stays. */
  async down(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  }

  /** Changes the data of a server that is down, where no node can see it before {@link up}. */
  async whileDown(change: (client: Redis) => Promise<unknown>): Promise<void> {
    await this.#launch(0);
    const client = this.#client();
    await change(client);
    client.disconnect();
    await this.down('SIGTERM');
  }

  /** Ends the server for good. Its data goes with the folder of the test run. */
  async stop(): Promise<void> {
    await this.down();
    this.#stopped = true;
  }

  /** Every key with its value, and the tasks of each mesh with their histories. */
  async testify(folder: string): Promise<void> {
    const wasDown = this.#child?.exitCode !== null || this.#child?.signalCode !== null;
    if (wasDown) await this.up();
    const client = this.#client();
    try {
      for (const [, db = '0'] of (await client.info('keyspace')).matchAll(/^db(\d+):/gm)) {
        await client.select(Number(db));
        const file = join(folder, db === '0' ? this.name : `${this.name}-db${db}`);
        writeFileSync(`${file}.json`, JSON.stringify(await dump(client), null, 1));
        writeFileSync(`${file}-tasks.json`, JSON.stringify(await histories(client), null, 1));
      }
    } finally {
      client.disconnect();
      if (wasDown) await this.down();
    }
  }

  /** Asked in its own folder, where no other server can answer in its place; several tests run at a time. */
  get #socket(): string {
    return join(this.folder, 'r.sock');
  }

  #client(): Redis {
    const password = this.#extra[this.#extra.indexOf('--requirepass') + 1];
    const login = this.#extra.includes('--requirepass') && password !== undefined ? { password } : {};
    const client = new Redis({ path: this.#socket, ...login, retryStrategy: () => 20, maxRetriesPerRequest: null });
    client.on('error', () => {});
    return client;
  }

  async #serving(child: ChildProcess): Promise<void> {
    const client = this.#client();
    let timer: NodeJS.Timeout | undefined;
    const ended = Promise.withResolvers<never>();
    const fail = (why: string) => ended.reject(new Error(`${this.name} ${why}; see ${this.folder}/redis.log`));
    child.once('exit', (code, signal) => fail(`ended (${code ?? signal})`));
    child.once('error', (error) => fail(error.message));
    timer = setTimeout(() => fail('timed out'), START_TIMEOUT_MS);
    try {
      // A server that wants a password that we don't have answers too: with an error that says so.
      const answer = client.ping().catch((error: Error) => {
        if (!/NOAUTH|NOPERM|WRONGPASS/.test(error.message)) throw error;
      });
      await Promise.race([answer, ended.promise]);
    } finally {
      clearTimeout(timer);
      client.disconnect();
      // The process may end later, as tests want it to.
      ended.promise.catch(() => {});
    }
  }
}

async function dump(client: Redis): Promise<Record<string, unknown>> {
  const keys = (await client.keys('*')).sort();
  const read = async (key: string): Promise<unknown> => {
    const type = await client.type(key);
    if (type === 'string') return client.get(key);
    if (type === 'list') return client.lrange(key, 0, 999);
    if (type === 'set') return (await client.smembers(key)).sort();
    if (type === 'zset') return client.zrange(key, 0, '999', 'WITHSCORES');
    if (type === 'stream') return client.xrevrange(key, '+', '-', 'COUNT', '1000');
    return client.hgetall(key);
  };
  return Object.fromEntries(await Promise.all(keys.map(async (key) => [key, await read(key)])));
}

async function histories(client: Redis): Promise<Record<string, unknown>> {
  const meshes = new Set(
    (await client.keys('{*}*')).map((key) => /^\{([^:}]+):([^}]+)\}/.exec(key)?.slice(1, 3).join(':')),
  );
  const found: Record<string, unknown> = {};
  for (const name of meshes) {
    const [prefix, mesh] = name?.split(':') ?? [];
    if (prefix === undefined || mesh === undefined) continue;
    found[mesh] = await new TaskReader(client, new MeshKeys({ prefix, mesh })).list({ limit: 1_000 });
  }
  return found;
}
