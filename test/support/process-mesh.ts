import { execFile } from 'node:child_process';
import type { Redis } from 'ioredis';
import { expect } from 'vitest';
import { Mesh } from '../../src/client/mesh.ts';
import type { Handover } from '../../src/domain/handover.ts';
import type { Node } from '../../src/domain/node.ts';
import type { Task } from '../../src/domain/task.ts';
import { isEnded } from '../../src/domain/task-state.ts';
import { takeSnapshot } from '../../src/ops/snapshot.ts';
import { systemClock } from '../../src/platform/clock.ts';
import type { TaskInput } from '../../src/queue/new-task.ts';
import type { MeshKeys } from '../../src/redis/keys.ts';
import { CliProcess, type CliResult, cleanEnv, entry, HANG_MS, runCli, writeConfig } from './cli.ts';
import { Ledger } from './ledger.ts';
import { SpawnedRedis } from './redis.ts';
import { openStore, type Store } from './store.ts';
import { unexplainedOf } from './task-history.ts';

/**
 * A lease of a minute, which no busy machine uses up: a node is dead when the test kills, freezes or evicts it, and
 * only
 * then. Beats come often, so that what a node tells of itself is fresh. The crash grace is the default second.
 */
export const LONG_LEASE = 'heartbeatInterval: 1s, missedHeartbeats: 60';

/** Real daemons on a Redis of their own. They run {@link Ledger}'s stand-in for openclaw, or what the test names. */
export class ProcessMesh {
  readonly server: SpawnedRedis;
  readonly ledger = new Ledger();
  readonly nodes = new Map<string, CliProcess>();
  config = '';
  readonly #openclaw: string;
  /** By config file. */
  readonly #clients = new Map<string, Promise<Mesh>>();
  #store: Promise<Store> | undefined;

  private constructor(server: SpawnedRedis, openclaw: string | undefined) {
    this.server = server;
    this.#openclaw = openclaw ?? this.ledger.asOpenclaw;
  }

  /** `openclaw`: that section of the config; `mode: simulate` if nothing depends on real processes. */
  static async start(options: { openclaw?: string; config?: string } = {}): Promise<ProcessMesh> {
    const mesh = new ProcessMesh(await SpawnedRedis.start(), options.openclaw);
    mesh.config = mesh.configWith(options.config ?? '');
    return mesh;
  }

  /** The text of a config for this mesh. */
  configText(more: string, options: { health?: string; url?: string; openclaw?: string } = {}): string {
    const { health = LONG_LEASE, url = this.server.url, openclaw = this.#openclaw } = options;
    return `mesh: m\nredis: {url: "${url}"}\nopenclaw: {${openclaw}}\nhealth: {${health}}\n${more}`;
  }

  /** A file with {@link configText}; `url` for a node that reaches Redis another way. */
  configWith(more: string, options: { health?: string; url?: string; openclaw?: string } = {}): string {
    return writeConfig(this.configText(more, options));
  }

  async startNode(nodeId: string, options: { config?: string; env?: NodeJS.ProcessEnv } = {}): Promise<CliProcess> {
    const node = this.launchNode(nodeId, options);
    await node.waitFor(/node is up/);
    return node;
  }

  /** Several at once. */
  async startNodes(...nodeIds: string[]): Promise<CliProcess[]> {
    return Promise.all(nodeIds.map((id) => this.startNode(id)));
  }

  /** A node that need not come up. */
  launchNode(nodeId: string, options: { config?: string; env?: NodeJS.ProcessEnv } = {}): CliProcess {
    const args = ['--config', options.config ?? this.config, 'node', 'run'];
    const node = new CliProcess(args, { CLAWMESH_NODE_ID: nodeId, ...options.env });
    this.nodes.set(nodeId, node);
    return node;
  }

  node(nodeId: string): CliProcess {
    const node = this.nodes.get(nodeId);
    if (!node) throw new Error(`no node ${nodeId} was started`);
    return node;
  }

  // ── The command line, as people type it

  cli(...args: string[]): Promise<CliResult> {
    return runCli(['--config', this.config, ...args]);
  }

  /** The CLI in a pseudo-terminal of util-linux' `script`, with `typed` as what the person types. */
  onTerminal(args: readonly string[], typed: string): Promise<CliResult> {
    const words = [process.execPath, entry, '--config', this.config, ...args];
    return new Promise((resolve) => {
      const child = execFile(
        'script',
        ['--quiet', '--return', '--command', words.join(' '), '/dev/null'],
        { env: cleanEnv({ TERM: 'xterm' }), timeout: HANG_MS },
        (error, stdout, stderr) => resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
      );
      // Typed once it's asked for: what comes earlier would be lost when the prompt opens.
      let shown = '';
      child.stdout?.on('data', (chunk: string) => {
        shown += chunk;
        if (shown.includes('[y/N]')) child.stdin?.end(typed);
      });
    });
  }

  async json(...args: string[]) {
    const { stdout, stderr } = await this.cli(...args, '--json');
    if (stdout === '') throw new Error(`no output: ${stderr}`);
    return JSON.parse(stdout);
  }

  /** Queues one task; returns its id. */
  async enqueue(...args: string[]): Promise<string> {
    const { stdout, stderr, code } = await this.cli('enqueue', ...args);
    if (code !== 0) throw new Error(`enqueue: ${stderr}`);
    return stdout.trim();
  }

  /** Queues a file of tasks; returns their ids. */
  async enqueueLines(lines: readonly object[]): Promise<string[]> {
    const input = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
    const { stdout, stderr, code } = await runCli(['--config', this.config, 'enqueue', '--from', '-'], { input });
    if (code !== 0) throw new Error(`enqueue: ${stderr}`);
    return stdout.trim().split('\n');
  }

  // ── The library behind the command line, where a process for each look would cost more than what is looked at

  /** Queues tasks without a process of its own; returns their ids. */
  async queue(...tasks: TaskInput[]): Promise<string[]> {
    return this.#ask(async (mesh) => (await mesh.enqueue(tasks)).map(({ id }) => id));
  }

  async queueOne(message: string, more: Omit<TaskInput, 'message'> = {}): Promise<string> {
    const [id = ''] = await this.queue({ message, ...more });
    return id;
  }

  queueMany(count: number, message: string): Promise<string[]> {
    return this.queue(...Array.from({ length: count }, () => ({ message })));
  }

  async task(id: string): Promise<Task> {
    return this.#ask((mesh) => mesh.task.existing(id));
  }

  async tasks(): Promise<Task[]> {
    return this.#ask((mesh) => mesh.list({ limit: 5_000 }));
  }

  async handovers(): Promise<Handover[]> {
    return this.#ask((mesh) => mesh.handovers({ limit: 1_000 }));
  }

  async nodeRecord(nodeId: string): Promise<Node> {
    return this.#ask((mesh) => mesh.node.existing(nodeId));
  }

  async snapshot() {
    return this.#ask(async (mesh) => (await takeSnapshot(mesh, systemClock)).snapshot);
  }

  /** A client of the mesh; a new one if the last could not be opened. */
  async client(): Promise<Mesh> {
    const known = await this.#clients.get(this.config)?.catch(() => undefined);
    if (known) return known;
    const opened = Mesh.open({ config: this.config, env: cleanEnv() });
    this.#clients.set(this.config, opened);
    return opened;
  }

  /**
   * The mesh's Redis on a connection of the test's own, to look behind the client or to put the mesh into a state by
   * hand.
   */
  async store(): Promise<Store> {
    const known = await this.#store?.catch(() => undefined);
    if (known) return known;
    this.#store = openStore(this.config, cleanEnv());
    return this.#store;
  }

  async #ask<T>(question: (mesh: Mesh) => Promise<T>): Promise<T> {
    return question(await this.client());
  }

  // ── Waiting

  /** Resolves once this many runs have begun. */
  async starts(count: number, taskId?: string): Promise<void> {
    await expect.poll(() => this.ledger.starts(taskId).length, { interval: 20 }).toBe(count);
  }

  async taskState(id: string, state: Task['state']): Promise<void> {
    await expect.poll(async () => (await this.task(id)).state).toBe(state);
  }

  async nodeState(nodeId: string, state: Node['state']): Promise<void> {
    await expect.poll(async () => (await this.nodeRecord(nodeId)).state).toBe(state);
  }

  /** Resolves once a sweep has seen these nodes on Redis: from then on their absence means a crash. */
  async presenceSeen(...nodeIds: string[]): Promise<void> {
    const { redis, keys } = await this.store();
    for (const id of nodeIds) {
      const seen = async () => {
        const [incarnation, presence] = await Promise.all([
          redis.hget(keys.incarnations, id),
          redis.hget(keys.presence, id),
        ]);
        return incarnation !== null && presence?.startsWith(`${incarnation}@`);
      };
      await expect.poll(seen).toBe(true);
    }
  }

  /** Resolves once every task has ended, and checks that the promises explain what became of them. */
  async allEnded(): Promise<void> {
    const open = async () => (await this.tasks()).filter((task) => !isEnded(task.state)).map(({ id }) => id);
    await expect.poll(open, { interval: 100 }).toEqual([]);
    // A list leaves the answers out.
    const whole = await Promise.all((await this.tasks()).map(({ id }) => this.task(id)));
    expect(unexplainedOf(whole, this.ledger)).toEqual([]);
  }

  // ── Faults

  /** `kill -9`. */
  async kill(nodeId: string): Promise<void> {
    await this.node(nodeId).kill();
  }

  /** Stops the process where it is, as a sleeping Mac's; nothing of it runs, its connections stay open. */
  freeze(nodeId: string): void {
    process.kill(this.node(nodeId).pid, 'SIGSTOP');
  }

  thaw(nodeId: string): void {
    process.kill(this.node(nodeId).pid, 'SIGCONT');
  }

  /**
   * Lets the lease of a node that can't renew it (a frozen one) lapse now: puts it into the past in Redis, as Redis'
   * clock
   * would, instead of waiting for it. Resolves once a sweep has declared the node dead.
   */
  async lapse(nodeId: string): Promise<void> {
    const incarnation = async () => {
      const { redis, keys } = await this.store();
      return redis.hget(keys.incarnations, nodeId);
    };
    // Not the node's state, which is `dead` from the moment that its lease is over.
    const before = await incarnation();
    await expect
      .poll(async () => {
        const { redis, keys, registry } = await this.store();
        // A sweep that came late on a busy machine gives everybody a new lease; hence again and again.
        const past = (await registry.redisTime()) - 1;
        await redis.multi().hset(keys.sweep, 'leasesFrom', 0).zadd(keys.leases, 'XX', past, nodeId).exec();
        return incarnation();
      })
      .not.toBe(before);
  }

  /**
   * Moves everything that the registry knows by time into the past, in one step: what Redis and all nodes look like
   * when
   * Redis was frozen for that time.
   */
  async passTime(ms: number): Promise<void> {
    const { redis, keys } = await this.store();
    await shiftTimes(redis, keys, -ms);
  }

  async stop(): Promise<void> {
    for (const client of this.#clients.values()) await client.then((mesh) => mesh.close()).catch(() => {});
    await this.#store?.then(({ redis }) => redis.disconnect()).catch(() => {});
    // A frozen process ends by SIGKILL, too.
    await Promise.all([...this.nodes.values()].map((node) => node.kill()));
    await this.server.stop();
  }
}

/** Adds `ms` to all times that sweeps judge by, and to the TTL of all keys: as when Redis' clock jumps by `-ms`. */
export async function shiftTimes(redis: Redis, keys: MeshKeys, ms: number): Promise<void> {
  const script = `
    for _, node in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do redis.call('ZINCRBY', KEYS[1], ARGV[1], node) end
    for _, field in ipairs({'lastAt', 'stallAt', 'leasesFrom', 'presenceFrom', 'passAt', 'resumedAt'}) do
      if redis.call('HEXISTS', KEYS[2], field) == 1 then redis.call('HINCRBY', KEYS[2], field, ARGV[1]) end
    end
    for _, node in ipairs(redis.call('HKEYS', KEYS[3])) do redis.call('HINCRBY', KEYS[3], node, ARGV[1]) end`;
  await redis.eval(script, 3, keys.leases, keys.sweep, keys.absentSince, ms);
  for (const key of (await redis.keys('*')).filter((name) => name.startsWith(keys.bullPrefix))) {
    const left = await redis.pttl(key);
    if (left > 0) await redis.pexpire(key, left + ms);
  }
}
