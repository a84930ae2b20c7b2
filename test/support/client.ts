import { Mesh } from '../../src/client/mesh.ts';
import { configSchema } from '../../src/config/schema.ts';
import type { Clock } from '../../src/domain/clock.ts';
import { systemClock } from '../../src/platform/clock.ts';
import type { TestMesh } from './pool.ts';

/** A client of a test's mesh, on a connection of its own; the caller closes it. */
export async function openClient(
  { keys, target }: Pick<TestMesh, 'keys' | 'target'>,
  { clock = systemClock, ...more }: { clock?: Clock; nodes?: object; queue?: object; hooks?: object } = {},
): Promise<Mesh> {
  const mesh = /^\{clawmesh:(.+)\}$/.exec(keys.bullPrefix)?.[1];
  const config = configSchema.parse({ mesh, redis: { url: 'redis://x' }, ...more });
  return Mesh.connect(config, target, { role: 'service', clock });
}
