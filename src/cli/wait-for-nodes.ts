import { Mesh } from '../client/mesh.ts';
import type { LoadedConfig } from '../config/load.ts';
import type { Clock } from '../domain/clock.ts';
import type { SeenNode } from '../domain/node.ts';
import { isThere } from '../domain/node-state.ts';
import type { RedisTarget } from '../redis/connection.ts';

const POLL_MS = 100;
/** A gated node (OpenClaw not ready yet) is there all the same, ms. */
const TIMEOUT_MS = 15_000;

/**
 * Resolves with these nodes once all of them have sent a heartbeat; with those that have after 15 s, or on `stopped`.
 */
export async function waitForNodes(
  loaded: LoadedConfig,
  target: RedisTarget,
  ids: readonly string[],
  stopped: Promise<void>,
  clock: Clock,
): Promise<SeenNode[]> {
  const mesh = await Mesh.connect(loaded.config, target, { role: 'service', clock });
  const deadline = clock.monotonic() + TIMEOUT_MS;
  let isStopped = false;
  void stopped.then(() => {
    isStopped = true;
  });
  try {
    for (;;) {
      const all = await mesh.throughOutages(() => mesh.node.seen(), { until: deadline });
      const nodes = all.filter((node) => ids.includes(node.id) && isHere(node));
      if (isStopped) return [];
      if (nodes.length === ids.length || clock.monotonic() > deadline) return nodes;
      await clock.sleep(POLL_MS);
    }
  } finally {
    await mesh.close();
  }
}

function isHere(node: SeenNode): boolean {
  return isThere(node.state) && !node.gates.some((gate) => gate.reason?.includes('not answered yet'));
}
