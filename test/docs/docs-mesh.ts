import { Mesh } from '../../src/client/mesh.ts';
import { isEnded } from '../../src/domain/task-state.ts';
import { CliProcess, writeConfig } from '../support/cli.ts';
import { reservePort } from '../support/ports.ts';
import { SpawnedRedis } from '../support/redis.ts';
import type { Substitute } from './page-shell.ts';

const PASSWORD = 'of-the-tests';
const NODES = ['mac-1', 'mac-2'];

/** The mesh that the commands of all pages meet: two nodes that only simulate OpenClaw, on a Redis with a password. */
export class DocsMesh {
  readonly config: string;
  readonly substitutes: readonly Substitute[];
  readonly #redis: SpawnedRedis;
  readonly #file: string;
  readonly #nodes = new Map<string, CliProcess>();
  #stopping = false;

  private constructor(redis: SpawnedRedis, dashboardPort: number) {
    this.#redis = redis;
    this.config = [
      'mesh: local',
      `redis: {url: "${redis.url}", password: ${PASSWORD}}`,
      'openclaw: {mode: simulate}',
      'gates: {minFreeDisk: 0B}',
      `dashboard: {port: ${dashboardPort}}`,
      '',
    ].join('\n');
    this.substitutes = [
      { shown: 'redis://mac-studio.local:6379/0', real: redis.url },
      { shown: 'REDIS_PASSWORD=…', real: `REDIS_PASSWORD=${PASSWORD}` },
      { shown: 'OPENCLAW_GATEWAY_TOKEN=…', real: 'OPENCLAW_GATEWAY_TOKEN=unused' },
      { shown: 'mode: gateway', real: 'mode: simulate' },
      { shown: '127.0.0.1:7420', real: `127.0.0.1:${dashboardPort}` },
    ];
    this.#file = writeConfig(this.config);
  }

  static async start(): Promise<DocsMesh> {
    const mesh = new DocsMesh(await SpawnedRedis.start(['--requirepass', PASSWORD]), await reservePort());
    await Promise.all(NODES.map((id) => mesh.#keepRunning(id)));
    return mesh;
  }

  /** With its password, for `redis-cli`. */
  get redisUrl(): string {
    return this.#redis.url.replace('//', `//default:${PASSWORD}@`);
  }

  /** Takes away what the commands of a page have left, so that each page begins with an unused mesh. */
  async clean(): Promise<void> {
    const mesh = await Mesh.open({ config: this.#file, env: {} });
    try {
      const schedules = await mesh.schedules();
      for (const { name } of await schedules.list()) await schedules.remove(name);
      for (const pool of await mesh.pool.names()) await mesh.pool.resume(pool);
      for (const node of await mesh.nodes()) if (node.state === 'draining') await mesh.node.resume(node.id);
      const open = (await mesh.list({ limit: 1_000 })).filter(({ state }) => !isEnded(state));
      // A task may end by itself meanwhile.
      await Promise.allSettled(open.map(({ id }) => mesh.cancel(id)));
      await mesh.wait(open.map(({ id }) => id));
      for (const { id } of await mesh.list({ limit: 1_000 })) await mesh.remove(id);
    } finally {
      await mesh.close();
    }
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    for (const node of this.#nodes.values()) await node.kill();
    await this.#redis.stop();
  }

  /** Starts a node, and again whenever it ends, as launchd does. */
  async #keepRunning(id: string): Promise<void> {
    const node = new CliProcess(['--config', this.#file, 'node', 'run'], { CLAWMESH_NODE_ID: id });
    this.#nodes.set(id, node);
    void node.exited.then(() => (this.#stopping ? undefined : this.#keepRunning(id).catch(() => {})));
    await node.waitFor(/node is up/);
  }
}
