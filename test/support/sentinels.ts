import type { ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { expect } from 'vitest';
import { emptyFolder } from './folders.ts';
import { reservePort } from './ports.ts';
import { spawnOwned } from './processes.ts';
import { redisProgram, SpawnedRedis } from './redis.ts';

/** After this long without an answer a Sentinel holds the primary for down, ms. */
const DOWN_AFTER_MS = 1_000;

/** Users with passwords, in Redis and in the Sentinels, as ACL lines; `admin` is one of both, for the test itself. */
export interface Secured {
  readonly redisUsers: readonly string[];
  readonly sentinelUsers: readonly string[];
  readonly passwords: Readonly<Record<'admin' | 'replica' | 'sentinel' | 'sentinel-peer' | 'sentinel-client', string>>;
}

/** Three Redis servers, one of them the primary, and three Sentinels that choose another when it dies. */
export class WatchedRedis {
  readonly servers: readonly SpawnedRedis[];
  readonly #sentinels: readonly { readonly port: number; readonly process: ChildProcess }[];
  readonly #client: Redis;
  readonly #admin: { username?: string; password?: string };

  private constructor(
    servers: readonly SpawnedRedis[],
    sentinels: readonly { port: number; process: ChildProcess }[],
    secured: Secured | undefined,
  ) {
    this.servers = servers;
    this.#sentinels = sentinels;
    this.#admin = secured ? { username: 'admin', password: secured.passwords.admin } : {};
    this.#client = new Redis(sentinels[0]?.port ?? 0, '127.0.0.1', this.#admin);
  }

  static async start(secured?: Secured): Promise<WatchedRedis> {
    const users = (lines: readonly string[]) => {
      const file = join(emptyFolder(), 'users.acl');
      writeFileSync(file, ['user default off', ...lines, ''].join('\n'));
      return file;
    };
    const login = secured
      ? ['--aclfile', users(secured.redisUsers), '--masteruser', 'replica', '--masterauth', secured.passwords.replica]
      : [];
    const primary = await SpawnedRedis.start(login);
    const follow = ['--replicaof', '127.0.0.1', `${primary.port}`, '--repl-diskless-sync-delay', '0', ...login];
    const servers = [primary, await SpawnedRedis.start(follow), await SpawnedRedis.start(follow)];
    const ports = [await reservePort(), await reservePort(), await reservePort()];
    const sentinels = ports.map((port) => {
      const file = join(emptyFolder(), 'sentinel.conf');
      writeFileSync(
        file,
        `port ${port}
bind 127.0.0.1
sentinel monitor mesh 127.0.0.1 ${primary.port} 2
sentinel down-after-milliseconds mesh ${DOWN_AFTER_MS}
sentinel failover-timeout mesh 4000
${
  secured
    ? `aclfile ${users(secured.sentinelUsers)}
sentinel auth-user mesh sentinel
sentinel auth-pass mesh ${secured.passwords.sentinel}
sentinel sentinel-user sentinel-peer
sentinel sentinel-pass ${secured.passwords['sentinel-peer']}
`
    : ''
}`,
      );
      return { port, process: spawnOwned(redisProgram(), [file, '--sentinel'], { stdio: 'ignore' }) };
    });
    const watched = new WatchedRedis(servers, sentinels, secured);
    await watched.settled();
    return watched;
  }

  get sentinelPorts(): number[] {
    return this.#sentinels.map(({ port }) => port);
  }

  /** The `redis` section of a config, to be closed. */
  get settings(): string {
    return `{sentinels: [${this.#sentinels.map(({ port }) => `{host: 127.0.0.1, port: ${port}}`).join(', ')}], name: mesh`;
  }

  /** Resolves once there is a primary with two replicas in step, all Sentinels know of each other, and all agree. */
  async settled(): Promise<SpawnedRedis> {
    const about = async () => {
      const pairs = (await this.#client.call('SENTINEL', 'MASTER', 'mesh').catch(() => [])) as string[];
      const found = (name: string) => pairs[pairs.indexOf(name) + 1];
      return `${found('flags')} ${found('num-other-sentinels')} ${found('num-slaves')}`;
    };
    await expect.poll(about).toBe('master 2 2');
    const inStep = async () => {
      const client = new Redis((await this.primary()).port, '127.0.0.1', { ...this.#admin, maxRetriesPerRequest: 0 });
      client.on('error', () => {});
      const info = await client.info('replication').catch(() => '');
      client.disconnect();
      return (info.match(/state=online/g) ?? []).length;
    };
    await expect.poll(inStep).toBe(2);
    return this.primary();
  }

  /** The one that the Sentinels name. */
  async primary(): Promise<SpawnedRedis> {
    const [, port] = (await this.#client.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', 'mesh')) as string[];
    const server = this.servers.find((one) => one.port === Number(port));
    if (!server) throw new Error(`no server on port ${port}`);
    return server;
  }

  async stop(): Promise<void> {
    this.#client.disconnect();
    for (const { process } of this.#sentinels) process.kill('SIGKILL');
    for (const server of this.servers) await server.stop();
  }
}
