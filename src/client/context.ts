import type { Redis } from 'ioredis';
import type { Config } from '../config/schema.ts';
import type { Clock } from '../domain/clock.ts';
import type { TaskReader } from '../queue/bullmq/task-reader.ts';
import type { MeshKeys } from '../redis/keys.ts';
import type { NodeRegistry } from '../registry/node-registry.ts';

/** The objects that the parts of a mesh client share. It never leaves src/client. */
export interface ClientContext {
  readonly config: Config;
  readonly redis: Redis;
  readonly keys: MeshKeys;
  readonly reader: TaskReader;
  readonly registry: NodeRegistry;
  readonly clock: Clock;
}
