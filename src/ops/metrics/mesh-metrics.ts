import { Gauge, Registry } from 'prom-client';
import { SEVERITIES } from '../../domain/finding.ts';
import type { Node } from '../../domain/node.ts';
import { NODE_STATES } from '../../domain/node-state.ts';
import type { Snapshot } from '../snapshot.ts';

/** The current state of the whole mesh in Prometheus' format. Nothing is kept between two scrapes. */
export async function meshMetrics(
  snapshot: Snapshot,
  nodes: readonly Node[],
): Promise<{ contentType: string; text: string }> {
  const registry = new Registry();
  registry.setDefaultLabels({ mesh: snapshot.mesh });
  const gauge = <T extends string>(name: string, help: string, labelNames: T[] = []) =>
    new Gauge({ name: `clawmesh_mesh_${name}`, help, labelNames, registers: [registry] });

  gauge('redis_latency_seconds', 'Duration of a round trip to Redis.').set(snapshot.redis.latencyMs / 1_000);
  const tasks = gauge('tasks', 'Tasks by pool and state; failed tasks are dead letters.', ['pool', 'state']);
  const paused = gauge('pool_paused', 'Whether the pool is paused.', ['pool']);
  const acknowledged = gauge('tasks_acknowledged', 'Failed tasks that an operator has acknowledged.', ['pool']);
  for (const [pool, { paused: isPaused, acknowledged: seen, ...counts }] of Object.entries(snapshot.pools)) {
    for (const [state, count] of Object.entries(counts)) tasks.set({ pool, state }, count);
    acknowledged.set({ pool }, seen);
    paused.set({ pool }, isPaused ? 1 : 0);
  }
  const oldest = (snapshot.oldestWaiting?.waitingMs ?? 0) / 1_000;
  gauge('oldest_waiting_seconds', 'Time since the oldest waiting task was enqueued.').set(oldest);

  const byState = gauge('nodes', 'Nodes by state.', ['state']);
  for (const state of NODE_STATES) byState.set({ state }, nodes.filter((node) => node.state === state).length);
  const up = gauge('node_up', 'Whether the node is up and claims tasks.', ['node']);
  const age = gauge('node_heartbeat_age_seconds', 'Time since the last heartbeat.', ['node']);
  const slots = gauge('node_slots', 'Maximum number of tasks at once.', ['node', 'pool']);
  const running = gauge('node_running', 'Running tasks.', ['node', 'pool']);
  const gates = gauge('node_gate_open', 'Whether the gate is open.', ['node', 'gate']);
  for (const node of nodes.filter(({ state }) => state !== 'stopped')) {
    up.set({ node: node.id }, node.state === 'up' ? 1 : 0);
    if (node.heartbeatAgeMs !== null) age.set({ node: node.id }, node.heartbeatAgeMs / 1_000);
    if (node.state === 'dead') continue;
    for (const [pool, { concurrency, running: count }] of Object.entries(node.pools)) {
      slots.set({ node: node.id, pool }, concurrency);
      running.set({ node: node.id, pool }, count);
    }
    for (const { name, open } of node.gates) gates.set({ node: node.id, gate: name }, open ? 1 : 0);
  }

  const circuits = gauge('circuit_open', 'Open circuits, whose tasks are held.', ['circuit']);
  for (const { name } of snapshot.circuits) circuits.set({ circuit: name }, 1);
  const problems = gauge('problems', 'Problems that clawmesh status lists.', ['severity']);
  for (const severity of SEVERITIES) {
    problems.set({ severity }, snapshot.problems.filter((problem) => problem.severity === severity).length);
  }
  gauge('tokens_today', 'Tokens used by tasks that completed since midnight UTC.').set(snapshot.usageToday.total);
  const { cost } = snapshot.usageToday;
  if (cost !== null)
    gauge('cost_today', "Cost of tasks that completed since midnight UTC, in the provider's currency.").set(cost);
  return { contentType: registry.contentType, text: await registry.metrics() };
}
