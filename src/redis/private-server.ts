import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import * as z from 'zod';
import { unusableState } from '../config/home.ts';
import { STATE_FILES, stateFile } from '../config/state-files.ts';
import { ClawmeshError, messageOf } from '../domain/errors.ts';
import { findProgram } from '../platform/find-program.ts';
import { makeFolderSync } from '../platform/make-folder.ts';
import { processIdentity, runsStill, trySignal } from '../platform/process.ts';
import { connectRedis, openRedis, type RedisTarget } from './connection.ts';
import { ServerInfo } from './server-info.ts';

/** The path of a unix socket has at most 104 bytes on macOS, and 108 on Linux. */
const MAX_SOCKET_PATH = 100;
/** Loading a large append-only file takes a while; a healthy empty server is ready within 50 ms. */
const START_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 10_000;
const POLL_MS = 25;

const SERVER_FILE = basename(STATE_FILES.privateServer.path);
const LOG_FILE = basename(STATE_FILES.privateLog.path);

/** A server on a unix socket replies within milliseconds or hangs, ms. */
const ASK_TIMEOUT_MS = 5_000;

/**
 * `server.json`: the server's process, its keeper's process, and the socket. Both processes as {@link processIdentity}.
 */
const serverFile = z.object({ server: z.string(), keeper: z.string(), socket: z.string() });

/** The data folder of a mesh's private server: `<mesh>/redis` in `$CLAWMESH_HOME` or `~/.clawmesh`. */
export function privateRedisFolder(mesh: string, env: NodeJS.ProcessEnv): string {
  return stateFile('privateRedis', { mesh }, env);
}

/** The mesh's private server on this machine, found through its folder; undefined if none is running. */
export function findPrivateServer(mesh: string, env: NodeJS.ProcessEnv): RedisTarget | undefined {
  const file = readServerFile(privateRedisFolder(mesh, env));
  return file && runsStill(file.server) ? { kind: 'private', socket: file.socket } : undefined;
}

/** The file was written when the server started. After a reboot, its process ids may belong to other processes. */
function readServerFile(folder: string): z.infer<typeof serverFile> | undefined {
  try {
    return serverFile.parse(JSON.parse(readFileSync(join(folder, SERVER_FILE), 'utf8')));
  } catch {
    return undefined;
  }
}

/**
 * The process that replies at the socket and keeps its data in the folder, as the server reports it; undefined if none
 * does.
 *
 * @throws ClawmeshError `redis` if a server hangs, or is another server.
 */
async function answeringServer(socket: string, folder: string): Promise<string | undefined> {
  const client = new Redis({
    path: socket,
    lazyConnect: true,
    protocol: 2,
    // A server that is still loading its data counts, too.
    enableReadyCheck: false,
    connectTimeout: ASK_TIMEOUT_MS,
    commandTimeout: ASK_TIMEOUT_MS,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  });
  let reason: unknown;
  client.on('error', (error) => {
    reason ??= error;
  });
  try {
    await client.connect();
    const identity = processIdentity((await ServerInfo.of(client, 'server')).number('process_id'));
    const [, dir = ''] = (await client.config('GET', 'dir')) as string[];
    if (identity !== undefined && realpathSync(dir) === realpathSync(folder)) return identity;
    throw new Error('another server uses this socket');
  } catch (error) {
    const cause = reason ?? error;
    if (['ENOENT', 'ENOTDIR', 'ECONNREFUSED'].includes((cause as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw new ClawmeshError('redis', `the Redis at ${socket} can't be taken over: ${messageOf(cause)}`, {
      remedy: 'stop that process first; its log is redis.log next to the socket',
      cause,
    });
  } finally {
    client.disconnect();
  }
}

/** A Redis server of our own: append-only persistence, accessible only to this user, through a unix socket. */
export class PrivateServer {
  readonly target: RedisTarget;
  readonly folder: string;
  readonly #process: string;

  private constructor(target: RedisTarget, folder: string, process: string) {
    this.target = target;
    this.folder = folder;
    this.#process = process;
  }

  /**
   * Starts a server for the mesh, or takes over a server whose keeper was killed. A server counts as running only if it
   * replies at its socket: the process ids in the file may belong to other programs by now.
   *
   * @throws ClawmeshError `failed` if another process keeps a server, `redis` if the server can't be started.
   */
  static async start(mesh: string, env: NodeJS.ProcessEnv): Promise<PrivateServer> {
    const folder = privateRedisFolder(mesh, env);
    const file = readServerFile(folder);
    const socket = socketIn(folder);
    const running = await answeringServer(socket, folder);
    if (running && file && runsStill(file.keeper)) {
      const keeper = Number.parseInt(file.keeper, 10);
      throw new ClawmeshError('failed', `the mesh "${mesh}" is already up on this machine (pid ${keeper})`, {
        remedy: 'use that mesh (clawmesh status), or stop the other `clawmesh up` first',
      });
    }
    const child = running ? undefined : spawnServer(folder, socket, env);
    const identity = running ?? processIdentity(child?.pid ?? 0);
    if (identity === undefined) throw new ClawmeshError('redis', `could not start the Redis server for ${folder}`);
    const server = new PrivateServer({ kind: 'private', socket }, folder, identity);
    await server.#waitUntilReady(child);
    const now = { server: identity, keeper: processIdentity(process.pid) ?? '', socket };
    try {
      writeFileSync(join(folder, SERVER_FILE), JSON.stringify(now), { mode: 0o600 });
    } catch (error) {
      // Without the file, no other command would find the server.
      await server.stop();
      throw unusableState(join(folder, SERVER_FILE), error);
    }
    return server;
  }

  /** Stops the server cleanly; everything acknowledged is on disk. */
  async stop(): Promise<void> {
    try {
      rmSync(join(this.folder, SERVER_FILE), { force: true });
    } catch {
      // A leftover file is harmless: readers ignore it once its process has ended.
    }
    const pid = Number.parseInt(this.#process, 10);
    const killAt = performance.now() + STOP_TIMEOUT_MS;
    if (runsStill(this.#process)) trySignal(pid, 'SIGTERM');
    while (runsStill(this.#process)) {
      if (performance.now() > killAt) trySignal(pid, 'SIGKILL');
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
          if (child) await this.stop();
          throw new ClawmeshError('redis', `the private Redis in ${this.folder} did not start`, {
            remedy: `see ${join(this.folder, LOG_FILE)}`,
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

/** @throws ClawmeshError `config` if the folder's path is too long for a socket. */
function socketIn(folder: string): string {
  const socket = join(folder, basename(STATE_FILES.privateSocket.path));
  if (Buffer.byteLength(socket) > MAX_SOCKET_PATH) {
    throw new ClawmeshError('config', `${socket} is too long for a unix socket`, {
      remedy: 'set CLAWMESH_HOME to a folder with a shorter path',
    });
  }
  return socket;
}

function spawnServer(folder: string, socket: string, env: NodeJS.ProcessEnv): ChildProcess {
  const program = findProgram(['redis-server', 'valkey-server'], env);
  if (!program) {
    throw new ClawmeshError('redis', 'neither redis-server nor valkey-server is on PATH', {
      remedy: 'install one (brew install redis, apt-get install redis-server), or set redis.url',
    });
  }
  try {
    makeFolderSync(folder);
    rmSync(socket, { force: true });
  } catch (error) {
    throw unusableState(folder, error);
  }
  // A separate process group: Ctrl-C reaches only this process, which stops the server last.
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
    logfile: join(folder, LOG_FILE),
  };
  return Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
}
