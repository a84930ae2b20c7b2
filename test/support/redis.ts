import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';

/** A real `redis-server` of the test's own, on a free port, with append-only persistence like in production. */
export class SpawnedRedis {
  readonly port: number;
  readonly folder: string;
  readonly #extra: readonly string[];
  #child: ChildProcess | undefined;

  private constructor(port: number, folder: string, extra: readonly string[]) {
    this.port = port;
    this.folder = folder;
    this.#extra = extra;
  }

  static async start(extra: readonly string[] = []): Promise<SpawnedRedis> {
    const server = new SpawnedRedis(await freePort(), mkdtempSync(join(tmpdir(), 'clawmesh-redis-')), extra);
    await server.up();
    return server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** Starts the server (again), on the same port and data. */
  async up(): Promise<void> {
    const settings = ['--port', `${this.port}`, '--bind', '127.0.0.1', '--dir', this.folder];
    const persistence = ['--appendonly', 'yes', '--save', ''];
    this.#child = spawn('redis-server', [...settings, ...persistence, ...this.#extra], { stdio: 'ignore' });
    const client = new Redis(this.port, '127.0.0.1', { retryStrategy: () => 20, maxRetriesPerRequest: 500 });
    client.on('error', () => {});
    // A server that wants a password answers too: with an error that says so.
    await client.ping().catch((error: Error) => {
      if (!/NOAUTH/.test(error.message)) throw error;
    });
    client.disconnect();
  }

  /** Ends the server; its data stays. */
  async down(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  }

  async stop(): Promise<void> {
    await this.down();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A TCP port that nothing listened on a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
