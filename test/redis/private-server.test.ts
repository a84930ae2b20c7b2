import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Redis } from 'ioredis';
import { afterEach, describe, expect, it } from 'vitest';
import { processIdentity } from '../../src/platform/process.ts';
import { findPrivateServer, PrivateServer, privateRedisFolder } from '../../src/redis/private-server.ts';
import { emptyFolder } from '../support/folders.ts';
import { isRunning, spawnOwned } from '../support/processes.ts';
import { redisProgram } from '../support/redis.ts';

const MESH = 'local';
/** A process that has ended. */
const ENDED = '999999999@1';

describe('the private server of a mesh', () => {
  const env = () => ({ CLAWMESH_HOME: emptyFolder(), PATH: `${dirname(redisProgram())}:${process.env.PATH}` });
  const started: PrivateServer[] = [];
  const start = async (where: NodeJS.ProcessEnv) => {
    const server = await PrivateServer.start(MESH, where);
    started.push(server);
    return server;
  };
  afterEach(async () => {
    for (const server of started.splice(0)) await server.stop();
  });

  const fileOf = (where: NodeJS.ProcessEnv) => join(privateRedisFolder(MESH, where), 'server.json');
  const writeFile = (where: NodeJS.ProcessEnv, content: object) => {
    mkdirSync(privateRedisFolder(MESH, where), { recursive: true });
    writeFileSync(fileOf(where), JSON.stringify(content));
  };
  const readFile = (where: NodeJS.ProcessEnv) => JSON.parse(readFileSync(fileOf(where), 'utf8'));
  const pidOf = async (server: PrivateServer) => {
    const redis = new Redis({ path: server.target.kind === 'private' ? server.target.socket : '' });
    const [, pid] = /process_id:(\d+)/.exec(await redis.info('server')) ?? [];
    redis.disconnect();
    return Number(pid);
  };

  it.each(['its id', 'its id and its start'])(
    'never touches a foreign process that a stale file names by %s, as server and as keeper',
    async (how) => {
      const foreign = spawnOwned('sleep', ['300'], { stdio: 'ignore' });
      const pid = foreign.pid ?? 0;
      const where = env();
      const socket = join(privateRedisFolder(MESH, where), 'redis.sock');
      const identity = processIdentity(pid);
      writeFile(
        where,
        how === 'its id' ? { pid, keeper: pid, socket } : { server: identity, keeper: identity, socket },
      );
      const server = await start(where);
      expect(await pidOf(server)).not.toBe(pid);
      await server.stop();
      expect(isRunning(pid)).toBe(true);
    },
  );

  it('finds no server by a file whose process id belongs to another process by now', () => {
    const where = env();
    writeFile(where, { server: `${process.pid}@1`, keeper: ENDED, socket: '/s' });
    expect(findPrivateServer(MESH, where)).toBeUndefined();
    writeFile(where, { server: processIdentity(process.pid), keeper: ENDED, socket: '/s' });
    expect(findPrivateServer(MESH, where)).toEqual({ kind: 'private', socket: '/s' });
  });

  it('takes over the server, and stops it, once its keeper is gone', async () => {
    const where = env();
    const first = await start(where);
    const pid = await pidOf(first);
    await expect(PrivateServer.start(MESH, where)).rejects.toThrow(`already up on this machine (pid ${process.pid})`);
    writeFile(where, { ...readFile(where), keeper: ENDED });
    const second = await start(where);
    expect([await pidOf(second), readFile(where).keeper]).toEqual([pid, processIdentity(process.pid)]);
    await second.stop();
    expect(isRunning(pid)).toBe(false);
  });

  it('takes over the server, and starts no second one on its data, if the file is missing or names another process', async () => {
    const where = env();
    const pid = await pidOf(await start(where));
    rmSync(fileOf(where));
    expect(await pidOf(await start(where))).toBe(pid);
    writeFile(where, { server: processIdentity(process.pid), keeper: ENDED, socket: '/nowhere' });
    const last = await start(where);
    expect(await pidOf(last)).toBe(pid);
    await last.stop();
    expect([isRunning(pid), isRunning(process.pid)]).toEqual([false, true]);
  });

  it('leaves a hanging server alone, and starts no second one on its data', async () => {
    const where = env();
    const server = await start(where);
    const pid = await pidOf(server);
    writeFile(where, { ...readFile(where), keeper: ENDED });
    process.kill(pid, 'SIGSTOP');
    try {
      await expect(PrivateServer.start(MESH, where)).rejects.toMatchObject({
        code: 'redis',
        message: expect.stringContaining('can’t be taken over'.replace('’', "'")),
      });
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    expect(await pidOf(server)).toBe(pid);
  });
});
