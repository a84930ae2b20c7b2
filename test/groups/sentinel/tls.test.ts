import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { refusalOf, runCli } from '../../support/cli.ts';
import { emptyFolder } from '../../support/folders.ts';
import { reservePort } from '../../support/ports.ts';
import { spawnOwned } from '../../support/processes.ts';
import { redisProgram, SpawnedRedis } from '../../support/redis.ts';

describe('a Redis with TLS', () => {
  const servers: SpawnedRedis[] = [];
  const start = async (extra: string[]) => {
    const server = await SpawnedRedis.start(extra);
    servers.push(server);
    return server;
  };
  afterAll(async () => {
    for (const server of servers) await server.stop();
  });

  it('distinguishes TLS from plain connections, and trusts only a known certificate', async () => {
    const folder = emptyFolder();
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    execFileSync(
      'openssl',
      ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', cert, '-subj', '/CN=localhost'],
      { stdio: 'ignore' },
    );
    const tlsPort = await reservePort();
    await start([
      '--tls-port',
      `${tlsPort}`,
      '--tls-cert-file',
      cert,
      '--tls-key-file',
      key,
      '--tls-ca-cert-file',
      cert,
    ]);
    expect(await refusalOf(`{url: "redis://127.0.0.1:${tlsPort}"}`)).toMatch(/if this is a TLS port, use rediss:/);
    expect(await refusalOf(`{url: "rediss://127.0.0.1:${tlsPort}"}`)).toMatch(/certificate is not trusted/);
  });

  it('reaches Redis and its Sentinels through the CA that the config names, and refuses another CA', async () => {
    const folder = emptyFolder();
    const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'ignore' });
    const subject = (name: string) => ['-subj', `/CN=${name}`, '-newkey', 'rsa:2048', '-nodes', '-x509', '-days', '2'];
    for (const ca of ['ca', 'other-ca']) openssl('req', ...subject(ca), '-keyout', `${ca}.key`, '-out', `${ca}.pem`);
    const signed = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-addext', 'subjectAltName=IP:127.0.0.1'];
    openssl('req', ...subject('redis'), ...signed, '-keyout', 'key.pem', '-out', 'cert.pem');
    const tlsPort = await reservePort();
    const sentinelPort = await reservePort();
    const files = ['--tls-cert-file', 'cert.pem', '--tls-key-file', 'key.pem', '--tls-ca-cert-file', 'ca.pem'];
    const tls = [
      ...files.map((word) => (word.endsWith('.pem') ? join(folder, word) : word)),
      '--tls-auth-clients',
      'no',
    ];
    await start(['--tls-port', `${tlsPort}`, ...tls]);
    const sentinelConf = join(folder, 'sentinel.conf');
    writeFileSync(sentinelConf, `sentinel monitor mesh 127.0.0.1 ${tlsPort} 1\n`);
    const sentinel = [
      sentinelConf,
      '--sentinel',
      '--port',
      '0',
      '--tls-port',
      `${sentinelPort}`,
      '--tls-replication',
      'yes',
    ];
    const watcher = spawnOwned(redisProgram(), [...sentinel, ...tls], { stdio: 'ignore' });
    try {
      const where = [
        `url: "rediss://127.0.0.1:${tlsPort}"`,
        `sentinels: [{host: 127.0.0.1, port: ${sentinelPort}}], name: mesh`,
      ];
      for (const [i, there] of where.entries()) {
        // Beside the config, wherever the command is typed.
        const config = join(folder, `${i}.yaml`);
        writeFileSync(config, `redis: {${there}, tls: {ca: ca.pem}}\n`);
        await expect.poll(async () => (await runCli(['--config', config, 'status'])).code).toBe(0);
      }
      const tasks = join(folder, '1.yaml');
      expect((await runCli(['--config', tasks, 'enqueue', 'over TLS'])).code).toBe(0);
      for (const there of where) {
        const foreign = `{${there}, tls: {ca: "${join(folder, 'other-ca.pem')}"}}`;
        expect(await refusalOf(foreign)).toMatch(/certificate is not trusted/);
      }
    } finally {
      watcher.kill();
    }
  });
});
