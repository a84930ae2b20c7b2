import type { Command } from 'commander';
import type { Redis } from 'ioredis';
import type { LoadedConfig } from '../config/load.ts';
import { ClawmeshError } from '../domain/errors.ts';
import type { TaskProducer } from '../queue/bullmq/task-producer.ts';
import type { HandoverLog } from '../queue/handover-log.ts';
import type { TaskReader } from '../queue/task-reader.ts';
import type { RedisTarget } from '../redis/connection.ts';
import type { MeshKeys } from '../redis/keys.ts';
import type { NodeRegistry } from '../registry/node-registry.ts';
import { Output } from './output.ts';

/** Flags every command has. */
export interface GlobalOptions {
  readonly config?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
  readonly color: boolean;
}

/** The mesh as a command uses it. */
export interface Mesh {
  readonly loaded: LoadedConfig;
  readonly redis: Redis;
  readonly reader: TaskReader;
  readonly registry: NodeRegistry;
  readonly handovers: HandoverLog;
  readonly keys: MeshKeys;
  /** Loads BullMQ on first use; reading needs none of it. */
  producer(): Promise<TaskProducer>;
}

export function outputOf(command: Command): Output {
  const options = command.optsWithGlobals<GlobalOptions>();
  return new Output({ json: options.json === true, quiet: options.quiet === true, color: options.color });
}

export async function loadedConfig(command: Command): Promise<LoadedConfig> {
  const { loadConfig } = await import('../config/load.ts');
  return loadConfig({ file: command.optsWithGlobals<GlobalOptions>().config, env: process.env });
}

/** Where this mesh's Redis is: configured, or the private server that runs here. @throws ClawmeshError `redis`. */
export async function redisTarget({ config }: LoadedConfig): Promise<RedisTarget> {
  if (config.redis) return { kind: 'shared', config: config.redis };
  const { findPrivateServer } = await import('../redis/private-server.ts');
  const target = findPrivateServer(config.mesh, process.env);
  if (target) return target;
  throw new ClawmeshError('redis', `no Redis is configured and no private one runs here for mesh "${config.mesh}"`, {
    remedy: 'start one with `clawmesh up`, or set redis.url in the config',
  });
}

/** Opens the mesh for one command and closes it whatever happens. */
export async function withMesh<T>(command: Command, use: (mesh: Mesh) => Promise<T>): Promise<T> {
  const loaded = await loadedConfig(command);
  const target = await redisTarget(loaded);
  const [
    { connectRedis, openRedis },
    { explainRedisError },
    { MeshKeys },
    { TaskReader },
    { HandoverLog },
    { NodeRegistry },
  ] = await Promise.all([
    import('../redis/connection.ts'),
    import('../redis/explain.ts'),
    import('../redis/keys.ts'),
    import('../queue/task-reader.ts'),
    import('../queue/handover-log.ts'),
    import('../registry/node-registry.ts'),
  ]);
  const redis = connectRedis(target, 'cli', 'clawmesh:cli');
  await openRedis(redis, target);
  const keys = new MeshKeys({ prefix: loaded.config.redis?.prefix ?? 'clawmesh', mesh: loaded.config.mesh });
  const reader = new TaskReader(redis, keys);
  let producer: TaskProducer | undefined;
  try {
    return await use({
      loaded,
      redis,
      keys,
      reader,
      handovers: new HandoverLog(redis, keys, reader),
      registry: new NodeRegistry(redis, keys),
      producer: async () => {
        const { TaskProducer } = await import('../queue/bullmq/task-producer.ts');
        producer ??= new TaskProducer(redis, keys);
        return producer;
      },
    });
  } catch (error) {
    throw error instanceof ClawmeshError ? error : isRedisError(error) ? explainRedisError(error, target) : error;
  } finally {
    await producer?.close().catch(() => {});
    redis.disconnect();
  }
}

function isRedisError(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return (
    /ReplyError|MaxRetriesPerRequestError/.test(error.name) ||
    /Connection is closed|Command timed out/.test(error.message)
  );
}
