import type { Redis } from 'ioredis';
import type { Config } from '../config/schema.ts';
import { signingKeys } from '../config/security-settings.ts';
import type { TaskProducer } from '../queue/bullmq/task-producer.ts';
import { TaskSigner } from '../queue/task-signer.ts';
import type { MeshKeys } from '../redis/keys.ts';

/** A producer for this mesh; creates spans if a collector is configured. */
export async function openProducer(redis: Redis, keys: MeshKeys, config: Config): Promise<TaskProducer> {
  const [{ TaskProducer }, { openTracing }] = await Promise.all([
    import('../queue/bullmq/task-producer.ts'),
    import('../queue/bullmq/open-tracing.ts'),
  ]);
  const { telemetry, mesh } = config;
  const tracing = await openTracing({ endpoint: telemetry.endpoint, mesh }, process.env);
  return new TaskProducer(redis, keys, {
    tracing,
    signer: new TaskSigner(signingKeys(config), keys.bullPrefix),
    durability: config.redis?.durability,
  });
}
