import { setTimeout as sleep } from 'node:timers/promises';
import { throughOutages } from '../client/outage.ts';
import type { LoadedConfig } from '../config/load.ts';
import type { SeenNode } from '../domain/node.ts';
import { isThere } from '../domain/node-state.ts';
import { connectRedis, openRedis, type RedisTarget } from '../redis/connection.ts';
import { MeshKeys } from '../redis/keys.ts';
import { NodeRegistry } from '../registry/node-registry.ts';

const POLL_MS = 100;
/** A gated node (OpenClaw not ready yet) is there all the same, ms. */
const TIMEOUT_MS = 15_000;

/** Resolves with these nodes once all of them have sent a heartbeat; with those that have after 15 s, or on `stopped`. */
export async function waitForNodes(
  loaded: LoadedConfig,
  target: RedisTarget,
  ids: readonly string[],
  stopped: Promise<void>,
): Promise<SeenNode[]> {
  const redis = connectRedis(target, 'service', 'clawmesh:up');
  await openRedis(redis, target);
  const keys = MeshKeys.of(loaded.config);
  const registry = new NodeRegistry(redis, keys);
  const deadline = performance.now() + TIMEOUT_MS;
  let isStopped = false;
  void stopped.then(() => {
    isStopped = true;
  });
  try {
    for (;;) {
      const all = await throughOutages(() => registry.seen(), { redis, target, until: deadline });
      const nodes = all.filter((node) => ids.includes(node.id) && isHere(node));
      if (isStopped) return [];
      if (nodes.length === ids.length || performance.now() > deadline) return nodes;
      await sleep(POLL_MS);
    }
  } finally {
    redis.disconnect();
  }
}

function isHere(node: SeenNode): boolean {
  return isThere(node.state) && !node.gates.some((gate) => gate.reason?.includes('not answered yet'));
}
