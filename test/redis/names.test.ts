import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { createServer, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Mesh } from '../../src/client/mesh.ts';
import { cleanEnv, runCli, writeConfig } from '../support/cli.ts';
import { emptyFolder } from '../support/folders.ts';
import { reservePort } from '../support/ports.ts';
import { spawnOwned } from '../support/processes.ts';
import { redisProgram, SpawnedRedis } from '../support/redis.ts';

/**
 * Speaks TLS in front of a server on this machine, as a load balancer does, and remembers which names clients ask for.
 */
class TlsFront {
  readonly names: (string | false | null)[] = [];
  readonly #servers: ReturnType<typeof createServer>[] = [];
  readonly #sockets = new Set<TLSSocket>();
  readonly #files: { key: Buffer; cert: Buffer };

  constructor(folder: string) {
    this.#files = { key: readFileSync(join(folder, 'key.pem')), cert: readFileSync(join(folder, 'cert.pem')) };
  }

  /** @returns its port. */
  async before(port: number, address: string): Promise<number> {
    const server = createServer(this.#files, (client) => {
      this.names.push(client.servername);
      const target = connect(port, '127.0.0.1');
      this.#sockets.add(client);
      for (const [one, other] of [
        [client, target],
        [target, client],
      ] as const) {
        one.on('error', () => other.destroy()).on('close', () => other.destroy());
        one.pipe(other);
      }
    });
    server.on('tlsClientError', () => {});
    this.#servers.push(server);
    const own = await reservePort();
    await new Promise<void>((resolve) => server.listen(own, address, resolve));
    return own;
  }

  stop(): void {
    for (const socket of this.#sockets) socket.destroy();
    for (const server of this.#servers) server.close();
  }
}

describe('the name in the TLS handshake', () => {
  let redis: SpawnedRedis;
  let front: TlsFront;
  let folder: string;

  beforeAll(async () => {
    folder = emptyFolder();
    const names = 'subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1';
    const words = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', 'key.pem', '-out', 'cert.pem'];
    execFileSync('openssl', [...words, '-subj', '/CN=localhost', '-addext', names], { cwd: folder, stdio: 'ignore' });
    redis = await SpawnedRedis.start();
    front = new TlsFront(folder);
  });
  afterAll(async () => {
    front.stop();
    await redis.stop();
  });

  /** Which names a client sent that was told to find Redis there. */
  const namesFor = async (where: string): Promise<unknown[]> => {
    const config = writeConfig(`mesh: m\nredis: {${where}, tls: {ca: "${join(folder, 'cert.pem')}"}}\n`);
    front.names.length = 0;
    const mesh = await Mesh.open({ config, env: cleanEnv() });
    expect(await mesh.server.isReady()).toBe(true);
    await mesh.close();
    return [...new Set(front.names)];
  };

  it('uses the host of the URL, and no name for an IPv4 address', async () => {
    const port = await front.before(redis.port, '127.0.0.1');
    expect(await namesFor(`url: "rediss://localhost:${port}"`)).toEqual(['localhost']);
    expect(await namesFor(`url: "rediss://127.0.0.1:${port}"`)).toEqual([false]);
  });

  it('uses no name for an IPv6 address, and still connects', async () => {
    const port = await front.before(redis.port, '::1');
    expect(await namesFor(`url: "rediss://[::1]:${port}"`)).toEqual([false]);
  });

  it('uses the name of each Sentinel, and of the primary that they name', async () => {
    const primary = await front.before(redis.port, '127.0.0.1');
    const sentinelPort = await reservePort();
    const conf = join(emptyFolder(), 'sentinel.conf');
    // Sentinels can name a host since Redis 6.2.
    const lines = ['resolve-hostnames yes', 'announce-hostnames yes', `monitor mesh localhost ${primary} 1`];
    writeFileSync(conf, lines.map((line) => `sentinel ${line}\n`).join(''));
    const sentinel = spawnOwned(redisProgram(), [conf, '--sentinel', '--port', `${sentinelPort}`], { stdio: 'ignore' });
    await answers(sentinelPort);
    const port = await front.before(sentinelPort, '127.0.0.1');
    const byName = `sentinels: [{host: localhost, port: ${port}}], name: mesh`;
    expect(await namesFor(byName)).toEqual(['localhost']);
    const byAddress = `sentinels: [{host: 127.0.0.1, port: ${port}}], name: mesh`;
    expect(await namesFor(byAddress)).toEqual([false, 'localhost']);
    sentinel.kill('SIGKILL');
  });
});

it('reports an unreachable primary with the address that the Sentinels name', async () => {
  const [sentinelPort, nothing] = [await reservePort(), await reservePort()];
  const conf = join(emptyFolder(), 'sentinel.conf');
  writeFileSync(conf, `sentinel monitor mesh 127.0.0.1 ${nothing} 1\n`);
  const sentinel = spawnOwned(redisProgram(), [conf, '--sentinel', '--port', `${sentinelPort}`], { stdio: 'ignore' });
  await answers(sentinelPort);
  const config = writeConfig(`redis: {sentinels: [{host: 127.0.0.1, port: ${sentinelPort}}], name: mesh}\n`);
  const { code, stderr } = await runCli(['--config', config, 'status', '--quiet']);
  expect(stderr).toMatch(
    new RegExp(
      `^clawmesh: Redis at 127\\.0\\.0\\.1:${nothing}, which the Sentinels 127\\.0\\.0\\.1:${sentinelPort} name as mesh: ` +
        'connection refused \\([^\\n]*announce[^\\n]*\\)\\n$',
    ),
  );
  expect(code).toBe(3);
  sentinel.kill('SIGKILL');
});

async function answers(port: number): Promise<void> {
  const tried = () =>
    new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => resolve(true)).once('error', () => resolve(false));
      socket.once('connect', () => socket.destroy());
    });
  await expect.poll(tried).toBe(true);
}
