import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Claim } from '../../src/domain/claim.ts';
import type { Node } from '../../src/domain/node.ts';
import { MESH_METRICS, meshMetrics } from '../../src/ops/metrics/mesh-metrics.ts';
import { NODE_METRICS, NodeMetrics } from '../../src/ops/metrics/node-metrics.ts';
import type { Snapshot } from '../../src/ops/snapshot.ts';

const claim: Claim = {
  taskId: 't1',
  pool: 'default',
  token: 'mac-2~1:1',
  spec: { message: 'x', tags: {} },
  attempt: 1,
  maxAttempts: 3,
  handovers: 0,
  holds: 0,
  refusedOn: null,
  readyAt: 1_000,
  claimedAt: 4_000,
};
const counts = {
  waiting: 2,
  active: 1,
  delayed: 0,
  failed: 3,
  acknowledged: 1,
  completed: 4,
  cancelled: 0,
  paused: true,
  pause: null,
};
const snapshot: Snapshot = {
  mesh: 'm',
  redis: { ok: true, latencyMs: 2 },
  nodes: { up: 1, gated: 0, paused: 0, draining: 0, dead: 1 },
  pools: { default: counts },
  oldestWaiting: { id: 't', pool: 'default', waitingMs: 90_000 },
  running: [],
  moreRunning: 0,
  handovers: [],
  usageToday: { day: '2026-11-25', tasks: 1, input: 5, output: 6, total: 11, cost: 0.5 },
  circuits: [
    { name: 'p/m', kind: 'provider', message: '500', openedAt: 'x' } as unknown as Snapshot['circuits'][number],
  ],
  problems: [{ severity: 'error', what: 'w', fix: 'f', actions: [] }],
};
const node = (id: string, state: Node['state']) =>
  ({
    id,
    state,
    heartbeatAgeMs: state === 'dead' ? null : 1_500,
    pools: { default: { concurrency: 2, running: 1 } },
    gates: [{ name: 'free-disk', open: state !== 'gated', reason: null, fix: null }],
  }) as unknown as Node;

function nodeMetrics(): NodeMetrics {
  const facts = () => ({
    ready: false,
    heartbeatAgeMs: 250,
    gates: [{ name: 'auth', open: false, reason: 'x', fix: null }],
  });
  return new NodeMetrics({ mesh: 'm', nodeId: 'mac-2', pools: ['default'], facts });
}

/** Value of the first line of this name with all these labels. */
function value(text: string, name: string, ...labels: string[]): number | undefined {
  const line = text
    .split('\n')
    .find((one) => one.startsWith(`${name}{`) && labels.every((label) => one.includes(label)));
  return line === undefined ? undefined : Number(line.split(' ').at(-1));
}

describe('metrics of a node', () => {
  it('counts claims, runs, waits, takeovers, tokens and cost', async () => {
    const metrics = nodeMetrics();
    const usage = { input: 10, output: 5, total: 15, cost: 0.25 };
    metrics.claimed(claim);
    metrics.ended(claim, 'completed', 2_000, { text: '', usage, model: 'p/m', runId: null, durationMs: 2_000 });
    metrics.claimed({ ...claim, handovers: 1, takenOver: { reason: 'crash', lostAt: 2_800 } });
    metrics.handedOver('crash');
    metrics.beat(3);
    const { text } = await metrics.text();
    expect(value(text, 'clawmesh_claims_total', 'pool="default"', 'node="mac-2"', 'mesh="m"')).toBe(2);
    expect(value(text, 'clawmesh_running', 'pool="default"')).toBe(1);
    expect(value(text, 'clawmesh_runs_total', 'outcome="completed"')).toBe(1);
    expect(value(text, 'clawmesh_run_seconds_sum', 'outcome="completed"')).toBe(2);
    // The second claim is no first one: its wait is a takeover.
    expect(value(text, 'clawmesh_task_wait_seconds_count')).toBe(1);
    expect(value(text, 'clawmesh_task_wait_seconds_sum')).toBe(3);
    expect(value(text, 'clawmesh_takeover_seconds_sum', 'reason="crash"')).toBeCloseTo(1.2);
    expect(value(text, 'clawmesh_handovers_total', 'reason="crash"')).toBe(1);
    expect(value(text, 'clawmesh_tokens_total', 'kind="output"', 'model="p/m"')).toBe(5);
    expect(value(text, 'clawmesh_cost_total')).toBe(0.25);
    expect(value(text, 'clawmesh_node_ready')).toBe(0);
    expect(value(text, 'clawmesh_gate_open', 'gate="auth"')).toBe(0);
    expect(value(text, 'clawmesh_heartbeat_age_seconds')).toBe(0.25);
    expect(text).toContain('nodejs_eventloop_lag_p99_seconds');
  });
});

describe('metrics of the mesh', () => {
  it('exports the state of the mesh', async () => {
    const { text } = await meshMetrics(snapshot, [node('mac-1', 'dead'), node('mac-2', 'up')]);
    expect(value(text, 'clawmesh_mesh_tasks', 'state="failed"')).toBe(3);
    expect(value(text, 'clawmesh_mesh_pool_paused')).toBe(1);
    expect(value(text, 'clawmesh_mesh_oldest_waiting_seconds')).toBe(90);
    expect(value(text, 'clawmesh_mesh_nodes', 'state="dead"')).toBe(1);
    expect(value(text, 'clawmesh_mesh_node_up', 'node="mac-1"')).toBe(0);
    expect(value(text, 'clawmesh_mesh_node_heartbeat_age_seconds', 'node="mac-2"')).toBe(1.5);
    expect(value(text, 'clawmesh_mesh_node_running', 'node="mac-1"')).toBeUndefined();
    expect(value(text, 'clawmesh_mesh_circuit_open', 'circuit="p/m"')).toBe(1);
    expect(value(text, 'clawmesh_mesh_cost_today')).toBe(0.5);
  });

  it('are those of the tables, and no others', async () => {
    const texts = [(await nodeMetrics().text()).text, (await meshMetrics(snapshot, [])).text];
    const served = texts.flatMap((text) => [...text.matchAll(/^# TYPE (clawmesh_\S+ \w+)/gm)].map(([, line]) => line));
    const defined = [...Object.values(NODE_METRICS), ...Object.values(MESH_METRICS)];
    expect(served.sort()).toEqual(defined.map(({ name, type }) => `${name} ${type}`).sort());
  });

  it.each(['deploy/prometheus/clawmesh.rules.yaml', 'deploy/grafana/clawmesh.json'])(
    'exports every metric that %s uses',
    async (file) => {
      const texts = [(await nodeMetrics().text()).text, (await meshMetrics(snapshot, [])).text];
      const known = new Set(texts.flatMap((text) => [...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name)));
      const asked = [...readFileSync(file, 'utf8').matchAll(/\b(?:clawmesh|nodejs)_[a-z0-9_]+/g)].map(([name]) =>
        name.replace(/_bucket$/, ''),
      );
      expect(asked.length).toBeGreaterThan(10);
      expect([...new Set(asked)].filter((name) => !known.has(name))).toEqual([]);
    },
  );
});
