import { Gauge, Registry } from 'prom-client';
import { SEVERITIES } from '../../domain/finding.ts';
import type { Node } from '../../domain/node.ts';
import { NODE_STATES } from '../../domain/node-state.ts';
import type { Snapshot } from '../snapshot.ts';
import { type LabelOf, type MetricDefinition, optionsOf } from './definition.ts';

/** The state of the whole mesh. All have the label `mesh`. */
export const MESH_METRICS = {
  redisLatency: {
    name: 'clawmesh_mesh_redis_latency_seconds',
    type: 'gauge',
    help: 'Duration of a round trip to Redis.',
    labels: [],
  },
  tasks: {
    name: 'clawmesh_mesh_tasks',
    type: 'gauge',
    help: 'Tasks by pool and state; failed tasks are dead letters.',
    labels: ['pool', 'state'],
  },
  poolPaused: {
    name: 'clawmesh_mesh_pool_paused',
    type: 'gauge',
    help: 'Whether the pool is paused.',
    labels: ['pool'],
  },
  tasksAcknowledged: {
    name: 'clawmesh_mesh_tasks_acknowledged',
    type: 'gauge',
    help: 'Failed tasks that an operator has acknowledged.',
    labels: ['pool'],
  },
  oldestWaiting: {
    name: 'clawmesh_mesh_oldest_waiting_seconds',
    type: 'gauge',
    help: 'Time since the oldest waiting task was enqueued.',
    labels: [],
  },
  nodes: { name: 'clawmesh_mesh_nodes', type: 'gauge', help: 'Nodes by state.', labels: ['state'] },
  nodeUp: {
    name: 'clawmesh_mesh_node_up',
    type: 'gauge',
    help: 'Whether the node is up and claims tasks.',
    labels: ['node'],
  },
  nodeHeartbeatAge: {
    name: 'clawmesh_mesh_node_heartbeat_age_seconds',
    type: 'gauge',
    help: 'Time since the last heartbeat.',
    labels: ['node'],
  },
  nodeSlots: {
    name: 'clawmesh_mesh_node_slots',
    type: 'gauge',
    help: 'Maximum number of tasks at once.',
    labels: ['node', 'pool'],
  },
  nodeRunning: { name: 'clawmesh_mesh_node_running', type: 'gauge', help: 'Running tasks.', labels: ['node', 'pool'] },
  nodeGateOpen: {
    name: 'clawmesh_mesh_node_gate_open',
    type: 'gauge',
    help: 'Whether the gate is open.',
    labels: ['node', 'gate'],
  },
  circuitOpen: {
    name: 'clawmesh_mesh_circuit_open',
    type: 'gauge',
    help: 'Open circuits, whose tasks are held.',
    labels: ['circuit'],
  },
  problems: {
    name: 'clawmesh_mesh_problems',
    type: 'gauge',
    help: 'Problems that clawmesh status lists.',
    labels: ['severity'],
  },
  tokensToday: {
    name: 'clawmesh_mesh_tokens_today',
    type: 'gauge',
    help: 'Tokens used by tasks that completed since midnight UTC.',
    labels: [],
  },
  costToday: {
    name: 'clawmesh_mesh_cost_today',
    type: 'gauge',
    help: "Cost of tasks that completed since midnight UTC, in the provider's currency.",
    labels: [],
  },
} as const satisfies Readonly<Record<string, MetricDefinition>>;

/** The current state of the whole mesh in Prometheus' format. Nothing is kept between two scrapes. */
export async function meshMetrics(
  snapshot: Snapshot,
  nodes: readonly Node[],
): Promise<{ contentType: string; text: string }> {
  const registry = new Registry();
  registry.setDefaultLabels({ mesh: snapshot.mesh });
  const gauge = <M extends MetricDefinition>(metric: M): Gauge<LabelOf<M>> =>
    new Gauge({ ...optionsOf(metric), registers: [registry] });

  gauge(MESH_METRICS.redisLatency).set(snapshot.redis.latencyMs / 1_000);
  const tasks = gauge(MESH_METRICS.tasks);
  const paused = gauge(MESH_METRICS.poolPaused);
  const acknowledged = gauge(MESH_METRICS.tasksAcknowledged);
  for (const [pool, { paused: isPaused, pause: _, acknowledged: seen, ...counts }] of Object.entries(snapshot.pools)) {
    for (const [state, count] of Object.entries(counts)) tasks.set({ pool, state }, count);
    acknowledged.set({ pool }, seen);
    paused.set({ pool }, isPaused ? 1 : 0);
  }
  const oldest = (snapshot.oldestWaiting?.waitingMs ?? 0) / 1_000;
  gauge(MESH_METRICS.oldestWaiting).set(oldest);

  const byState = gauge(MESH_METRICS.nodes);
  for (const state of NODE_STATES) byState.set({ state }, nodes.filter((node) => node.state === state).length);
  const up = gauge(MESH_METRICS.nodeUp);
  const age = gauge(MESH_METRICS.nodeHeartbeatAge);
  const slots = gauge(MESH_METRICS.nodeSlots);
  const running = gauge(MESH_METRICS.nodeRunning);
  const gates = gauge(MESH_METRICS.nodeGateOpen);
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

  const circuits = gauge(MESH_METRICS.circuitOpen);
  for (const { name } of snapshot.circuits) circuits.set({ circuit: name }, 1);
  const problems = gauge(MESH_METRICS.problems);
  for (const severity of SEVERITIES) {
    problems.set({ severity }, snapshot.problems.filter((problem) => problem.severity === severity).length);
  }
  gauge(MESH_METRICS.tokensToday).set(snapshot.usageToday.total);
  const { cost } = snapshot.usageToday;
  if (cost !== null) gauge(MESH_METRICS.costToday).set(cost);
  return { contentType: registry.contentType, text: await registry.metrics() };
}
