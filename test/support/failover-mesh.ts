import { execFile } from 'node:child_process';
import { expect } from 'vitest';
import type { Handover } from '../../src/domain/handover.ts';
import type { Task } from '../../src/domain/task.ts';
import { CliProcess, type CliResult, cleanEnv, entry, runCli, writeConfig } from './cli.ts';
import { brokenPromises, Ledger } from './ledger.ts';
import { isRunning } from './processes.ts';
import { SpawnedRedis } from './redis.ts';

/** Beats of 500 ms × 3: a lease of 1.5 s. The crash grace is the default second. */
export const FAST_HEALTH = 'heartbeatInterval: 500ms, missedHeartbeats: 3';

/** Real daemons on a Redis of their own, and a ledger of what they run. */
export class FailoverMesh {
  readonly server: SpawnedRedis;
  readonly ledger = new Ledger();
  readonly nodes = new Map<string, CliProcess>();
  config = '';

  private constructor(server: SpawnedRedis) {
    this.server = server;
  }

  static async start(): Promise<FailoverMesh> {
    const mesh = new FailoverMesh(await SpawnedRedis.start());
    mesh.config = mesh.configWith('');
    return mesh;
  }

  /** A config for this mesh; `url` where a node is to reach Redis another way. */
  configWith(more: string, health = FAST_HEALTH, url = this.server.url): string {
    return writeConfig(
      `mesh: m\nredis: {url: "${url}"}\nopenclaw: {mode: exec, exec: {bin: "${this.ledger.bin}"}}\nhealth: {${health}}\n${more}`,
    );
  }

  async startNode(
    nodeId: string,
    options: { config?: string; env?: NodeJS.ProcessEnv; upWithin?: number } = {},
  ): Promise<CliProcess> {
    const args = ['--config', options.config ?? this.config, 'node', 'run'];
    const node = new CliProcess(args, { CLAWMESH_NODE_ID: nodeId, ...options.env });
    this.nodes.set(nodeId, node);
    await node.waitFor(/node is up/, options.upWithin);
    return node;
  }

  cli(...args: string[]) {
    return runCli(['--config', this.config, ...args]);
  }

  /** The CLI in a pseudo-terminal of util-linux' `script`, with `typed` as what the person types. */
  onTerminal(args: readonly string[], typed: string): Promise<CliResult> {
    const words = [process.execPath, entry, '--config', this.config, ...args];
    return new Promise((resolve) => {
      const child = execFile(
        'script',
        ['--quiet', '--return', '--command', words.join(' '), '/dev/null'],
        { env: cleanEnv({ TERM: 'xterm' }), timeout: 30_000 },
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
    return JSON.parse((await this.cli(...args, '--json')).stdout);
  }

  async enqueue(...args: string[]): Promise<string> {
    return (await this.cli('enqueue', ...args)).stdout.trim();
  }

  async enqueueMany(count: number, message: string): Promise<void> {
    const input = `${JSON.stringify({ message })}\n`.repeat(count);
    await runCli(['--config', this.config, 'enqueue', '--from', '-'], { input });
  }

  async task(id: string): Promise<Task> {
    return this.json('task', 'show', id);
  }

  async tasks(): Promise<Task[]> {
    return ((await this.json('task', 'list', '--limit', '1000')) as { tasks: Task[] }).tasks;
  }

  async handovers(): Promise<Handover[]> {
    return ((await this.json('handovers', '--limit', '1000')) as { handovers: Handover[] }).handovers;
  }

  /** Resolves once so many runs have begun. */
  async starts(count: number, taskId?: string): Promise<void> {
    await expect.poll(() => this.ledger.starts(taskId).length, { timeout: 20_000, interval: 20 }).toBe(count);
  }

  /** Resolves once every task has ended, and checks the promises on all of them. */
  async allEnded(): Promise<void> {
    await expect
      .poll(async () => (await this.tasks()).filter((task) => !task.finishedAt).length, {
        timeout: 40_000,
        interval: 200,
      })
      .toBe(0);
    expect(brokenPromises(await this.tasks(), this.ledger)).toEqual([]);
  }

  async stop(): Promise<void> {
    for (const node of this.nodes.values()) {
      if (isRunning(node.pid)) process.kill(node.pid, 'SIGCONT');
      await node.kill();
    }
    await this.server.stop();
  }
}
