import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LiveConfig } from '../src/config/live.ts';
import { configSchema } from '../src/config/schema.ts';
import type { DispatchStrategy } from '../src/domain/dispatch.ts';
import { createLogger } from '../src/log/logger.ts';
import { Journal } from '../src/node/journal.ts';
import { type NodeBackend, openNodeBackend } from '../src/node/node-backend.ts';
import { NO_OBSERVER } from '../src/node/observer.ts';
import { NodeRuntime } from '../src/node/runtime.ts';
import { systemClock as clock } from '../src/platform/clock.ts';
import type { RedisTarget } from '../src/redis/connection.ts';
import { simulateKind } from '../src/runners/simulate.ts';

export interface BenchNode {
  readonly url: string;
  readonly nodeId: string;
  readonly mesh?: string;
  readonly strategy?: DispatchStrategy;
  /** With circuits; without one nothing is told of providers. */
  readonly hasProvider: boolean;
}

/** A node's connections to the mesh of a benchmark. */
export async function openBenchBackend(options: BenchNode): Promise<{ live: LiveConfig; backend: NodeBackend }> {
  const { url, nodeId, mesh = 'bench', strategy = 'pull', hasProvider } = options;
  const config = configSchema.parse({ mesh, redis: { url }, openclaw: { mode: 'simulate' }, dispatch: { strategy } });
  const target: RedisTarget = { kind: 'shared', config: config.redis as NonNullable<typeof config.redis> };
  const live = new LiveConfig(config);
  return { live, backend: await openNodeBackend({ live, target, nodeId, clock, hasProvider }) };
}

/** Begins a whole node whose tasks do what `work` does, and nothing else. */
export async function beginBenchNode(
  options: BenchNode & { pools: Record<string, number>; work: (taskId: string) => Promise<void> },
): Promise<void> {
  const { live, backend } = await openBenchBackend(options);
  const log = createLogger({ level: 'warn', format: 'json' });
  await NodeRuntime.begin({
    nodeId: options.nodeId,
    live,
    settings: {
      pools: options.pools,
      maxTasks: undefined,
      drainTimeout: 1_000,
      keepAwake: false,
      dashboard: false,
      labels: {},
    },
    version: '0',
    runner: {
      mode: simulateKind.mode,
      capabilities: simulateKind.capabilities,
      run: async ({ taskId }) => {
        await options.work(taskId);
        return { ok: true, result: { text: '', usage: null, model: null, runId: null, durationMs: 0 } };
      },
      stopLeftovers: async () => {},
      health: async () => ({ version: null, healthy: true, reason: null }),
      close: async () => {},
    },
    log,
    observer: NO_OBSERVER,
    journal: await Journal.open(mkdtempSync(join(tmpdir(), 'clawmesh-bench-')), clock, log),
    backend,
    clock,
  });
}
