import { Mesh } from '../client/mesh.ts';
import type { LoadedConfig } from '../config/load.ts';
import type { Clock } from '../domain/clock.ts';
import { NOT_RESPONDED_YET, type SeenNode } from '../domain/node.ts';
import { isThere } from '../domain/node-state.ts';
import type { RedisTarget } from '../redis/connection.ts';

const POLL_MS = 100;
/** Longest wait, ms; a gated node (OpenClaw not ready yet) counts as started. */
const TIMEOUT_MS = 15_000;

/**
 * Resolves once all of these nodes have sent a heartbeat and checked OpenClaw. After 15 s it resolves with those that
 * have, and on `stopped` with none.
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
  return isThere(node.state) && !node.gates.some((gate) => gate.reason === NOT_RESPONDED_YET);
}
