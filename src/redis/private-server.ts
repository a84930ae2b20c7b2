import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { ClawmeshError } from '../domain/errors.ts';
import { findProgram } from '../platform/find-program.ts';
import { isAlive } from '../platform/process.ts';
import { connectRedis, openRedis, type RedisTarget } from './connection.ts';

/** Unix sockets have a path limit of 104 bytes on macOS, 108 on Linux. */
const MAX_SOCKET_PATH = 100;
/** Loading a large append-only file takes a while; a healthy empty server is there in 50 ms. */
const START_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 10_000;
const POLL_MS = 25;

/** `server.json`: the server's process, the process that keeps it, and its socket. */
const serverFile = z.object({ pid: z.number(), keeper: z.number(), socket: z.string() });

/** Where the private server of a mesh keeps its data: `$CLAWMESH_HOME` or `~/.clawmesh`, then `<mesh>/redis`. */
export function privateRedisFolder(mesh: string, env: NodeJS.ProcessEnv): string {
  return join(env.CLAWMESH_HOME || join(env.HOME || homedir(), '.clawmesh'), mesh, 'redis');
}

/** The private server that runs on this machine for the mesh, found through its folder; undefined where none runs. */
export function findPrivateServer(mesh: string, env: NodeJS.ProcessEnv): RedisTarget | undefined {
  const running = readServerFile(privateRedisFolder(mesh, env));
  return running && { kind: 'private', socket: running.socket };
}

function readServerFile(folder: string): z.infer<typeof serverFile> | undefined {
  try {
    const server = serverFile.parse(JSON.parse(readFileSync(join(folder, 'server.json'), 'utf8')));
    return isAlive(server.pid) ? server : undefined;
  } catch {
    return undefined;
  }
}

/** A Redis server of our own: append-only persistence, reachable only by this user through a unix socket. */
export class PrivateServer {
  readonly target: RedisTarget;
  readonly folder: string;
  readonly #pid: number;

  private constructor(target: RedisTarget, folder: string, pid: number) {
    this.target = target;
    this.folder = folder;
    this.#pid = pid;
  }

  /**
   * Starts a server for the mesh, or takes over one whose keeper was killed.
   *
   * @throws ClawmeshError `failed` where another process keeps one, `redis` if it can't be started.
   */
  static async start(mesh: string, env: NodeJS.ProcessEnv): Promise<PrivateServer> {
    const folder = privateRedisFolder(mesh, env);
    const running = readServerFile(folder);
    if (running && isAlive(running.keeper)) {
      throw new ClawmeshError('failed', `the mesh "${mesh}" is already up on this machine (pid ${running.keeper})`, {
        remedy: 'use it (clawmesh status), or stop the other `clawmesh up` first',
      });
    }
    const socket = running?.socket ?? join(folder, 'redis.sock');
    const child = running ? undefined : spawnServer(folder, socket, env);
    const pid = running?.pid ?? child?.pid;
    if (pid === undefined) throw new ClawmeshError('redis', `the server for ${folder} could not be started`);
    const server = new PrivateServer({ kind: 'private', socket }, folder, pid);
    await server.#waitUntilReady(child);
    const file = { pid, keeper: process.pid, socket };
    writeFileSync(join(folder, 'server.json'), JSON.stringify(file), { mode: 0o600 });
    return server;
  }

  /** Stops it cleanly; everything acknowledged is on disk. */
  async stop(): Promise<void> {
    rmSync(join(this.folder, 'server.json'), { force: true });
    const killAt = performance.now() + STOP_TIMEOUT_MS;
    if (isAlive(this.#pid)) process.kill(this.#pid, 'SIGTERM');
    while (isAlive(this.#pid)) {
      if (performance.now() > killAt) process.kill(this.#pid, 'SIGKILL');
      await sleep(POLL_MS);
    }
  }

  async #waitUntilReady(child: ChildProcess | undefined): Promise<void> {
    const deadline = performance.now() + START_TIMEOUT_MS;
    for (;;) {
      const client = connectRedis(this.target, 'cli', 'clawmesh:up');
      try {
        await openRedis(client, this.target);
        return;
      } catch (error) {
        const exited = child && (child.exitCode !== null || child.signalCode !== null);
        if (exited || performance.now() > deadline) {
          await this.stop();
          throw new ClawmeshError('redis', `the private Redis in ${this.folder} did not come up`, {
            remedy: `see ${join(this.folder, 'redis.log')}`,
            cause: error,
          });
        }
        await sleep(POLL_MS);
      } finally {
        client.disconnect();
      }
    }
  }
}

function spawnServer(folder: string, socket: string, env: NodeJS.ProcessEnv): ChildProcess {
  const program = findProgram(['redis-server', 'valkey-server'], env);
  if (!program) {
    throw new ClawmeshError('redis', 'neither redis-server nor valkey-server is on PATH', {
      remedy: 'install one (brew install redis, apt-get install redis-server), or set redis.url',
    });
  }
  if (Buffer.byteLength(socket) > MAX_SOCKET_PATH) {
    throw new ClawmeshError('config', `${socket} is too long for a unix socket`, {
      remedy: 'set CLAWMESH_HOME to a folder with a shorter path',
    });
  }
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  rmSync(socket, { force: true });
  // A process group of its own: Ctrl-C goes to us, and the server stops last.
  const child = spawn(program, serverArguments(folder, socket), { stdio: 'ignore', detached: true });
  child.unref();
  return child;
}

function serverArguments(folder: string, socket: string): string[] {
  const settings: Record<string, string> = {
    port: '0',
    unixsocket: socket,
    unixsocketperm: '700',
    dir: folder,
    appendonly: 'yes',
    appendfsync: 'everysec',
    save: '',
    'maxmemory-policy': 'noeviction',
    daemonize: 'no',
    logfile: join(folder, 'redis.log'),
  };
  return Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
}
