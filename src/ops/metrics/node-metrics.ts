import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Claim } from '../../domain/claim.ts';
import type { HandoverReason } from '../../domain/handover.ts';
import type { GateState } from '../../domain/node.ts';
import type { TaskResult } from '../../domain/task.ts';
import { type LabelOf, type MetricDefinition, optionsOf } from './definition.ts';

/** Tasks run from seconds to an hour, s. */
const RUN_BUCKETS = [0.1, 0.5, 1, 5, 15, 30, 60, 120, 300, 600, 1_200, 1_800, 3_600, 7_200];
/** From an immediate claim to a backlog of hours, s. */
const WAIT_BUCKETS = [0.005, 0.02, 0.1, 0.5, 1, 5, 15, 60, 300, 900, 3_600, 14_400];
/** Around the promised times, s: one second after a crash, 16 s after a power cut, at the default heartbeat. */
const TAKEOVER_BUCKETS = [0.25, 0.5, 1, 1.5, 2, 3, 5, 10, 16, 30, 60, 300, 900];
const LATENCY_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5];

/** What a node counts. All have the labels `mesh` and `node`. */
export const NODE_METRICS = {
  claims: { name: 'clawmesh_claims_total', type: 'counter', help: 'Claimed tasks.', labels: ['pool'] },
  runs: { name: 'clawmesh_runs_total', type: 'counter', help: 'Ended runs, by outcome.', labels: ['pool', 'outcome'] },
  handovers: {
    name: 'clawmesh_handovers_total',
    type: 'counter',
    help: 'Tasks that this node requeued or released, by reason.',
    labels: ['reason'],
  },
  tokens: {
    name: 'clawmesh_tokens_total',
    type: 'counter',
    help: 'Tokens used by completed tasks.',
    labels: ['model', 'kind'],
  },
  cost: {
    name: 'clawmesh_cost_total',
    type: 'counter',
    help: "Cost of completed tasks, in the provider's currency.",
    labels: ['model'],
  },
  wait: {
    name: 'clawmesh_task_wait_seconds',
    type: 'histogram',
    help: 'Time from when a task is ready until its first claim.',
    labels: ['pool'],
    buckets: WAIT_BUCKETS,
  },
  run: {
    name: 'clawmesh_run_seconds',
    type: 'histogram',
    help: 'Duration of runs.',
    labels: ['pool', 'outcome'],
    buckets: RUN_BUCKETS,
  },
  takeover: {
    name: 'clawmesh_takeover_seconds',
    type: 'histogram',
    help: 'Time from the last sign of life of the previous node to the claim by this node.',
    labels: ['reason'],
    buckets: TAKEOVER_BUCKETS,
  },
  latency: {
    name: 'clawmesh_heartbeat_seconds',
    type: 'histogram',
    help: 'Duration of a heartbeat request to Redis.',
    labels: [],
    buckets: LATENCY_BUCKETS,
  },
  running: { name: 'clawmesh_running', type: 'gauge', help: 'Running tasks.', labels: ['pool'] },
  ready: { name: 'clawmesh_node_ready', type: 'gauge', help: 'Whether the node claims tasks.', labels: [] },
  heartbeatAge: {
    name: 'clawmesh_heartbeat_age_seconds',
    type: 'gauge',
    help: 'Time since Redis accepted the last heartbeat.',
    labels: [],
  },
  gateOpen: {
    name: 'clawmesh_gate_open',
    type: 'gauge',
    help: 'Whether the gate is open.',
    labels: ['gate'],
  },
} as const satisfies Readonly<Record<string, MetricDefinition>>;

/** The state of a node at a scrape. */
export interface NodeFacts {
  readonly ready: boolean;
  readonly gates: readonly GateState[];
  /** Age in ms; null if Redis never accepted a heartbeat. */
  readonly heartbeatAgeMs: number | null;
}

/** Counts what one node does, in Prometheus' format. Implements the node's observer. */
export class NodeMetrics {
  readonly #registry = new Registry();
  readonly #claims = this.#counter(NODE_METRICS.claims);
  readonly #runs = this.#counter(NODE_METRICS.runs);
  readonly #handovers = this.#counter(NODE_METRICS.handovers);
  readonly #tokens = this.#counter(NODE_METRICS.tokens);
  readonly #cost = this.#counter(NODE_METRICS.cost);
  readonly #wait = this.#histogram(NODE_METRICS.wait);
  readonly #run = this.#histogram(NODE_METRICS.run);
  readonly #takeover = this.#histogram(NODE_METRICS.takeover);
  readonly #latency = this.#histogram(NODE_METRICS.latency);
  readonly #running = this.#gauge(NODE_METRICS.running);

  /** Calls `facts` at each scrape. */
  constructor(options: { mesh: string; nodeId: string; pools: readonly string[]; facts: () => NodeFacts }) {
    const { mesh, nodeId, pools, facts } = options;
    this.#registry.setDefaultLabels({ mesh, node: nodeId });
    for (const pool of pools) {
      this.#running.set({ pool }, 0);
      this.#claims.inc({ pool }, 0);
    }
    this.#sampled(NODE_METRICS.ready, (gauge) => gauge.set(facts().ready ? 1 : 0));
    this.#sampled(NODE_METRICS.heartbeatAge, (gauge) => {
      const { heartbeatAgeMs } = facts();
      if (heartbeatAgeMs !== null) gauge.set(heartbeatAgeMs / 1_000);
    });
    const gates = this.#gauge(NODE_METRICS.gateOpen, () => {
      for (const { name, open } of facts().gates) gates.set({ gate: name }, open ? 1 : 0);
    });
    // Event-loop delay, memory and CPU of the daemon, under the usual names for Node programs.
    collectDefaultMetrics({ register: this.#registry });
  }

  claimed({ pool, claimedAt, readyAt, attempt, handovers, holds, takenOver }: Claim): void {
    this.#claims.inc({ pool });
    this.#running.inc({ pool });
    if (attempt === 1 && handovers === 0 && holds === 0) {
      this.#wait.observe({ pool }, Math.max(0, claimedAt - readyAt) / 1_000);
    }
    if (takenOver) {
      const { reason, lostAt } = takenOver;
      this.#takeover.observe({ reason }, Math.max(0, claimedAt - lostAt) / 1_000);
    }
  }

  ended({ pool }: Claim, outcome: string, ranMs: number, result: TaskResult | undefined): void {
    this.#running.dec({ pool });
    this.#runs.inc({ pool, outcome });
    this.#run.observe({ pool, outcome }, ranMs / 1_000);
    if (!result?.usage) return;
    const model = result.model ?? 'unknown';
    const { input, output, cost } = result.usage;
    this.#tokens.inc({ model, kind: 'input' }, input);
    this.#tokens.inc({ model, kind: 'output' }, output);
    if (cost !== undefined) this.#cost.inc({ model }, cost);
  }

  handedOver(reason: HandoverReason): void {
    this.#handovers.inc({ reason });
  }

  beat(roundTripMs: number): void {
    this.#latency.observe(roundTripMs / 1_000);
  }

  /** All metrics in Prometheus' format. */
  async text(): Promise<{ contentType: string; text: string }> {
    return { contentType: this.#registry.contentType, text: await this.#registry.metrics() };
  }

  #counter<M extends MetricDefinition>(metric: M): Counter<LabelOf<M>> {
    return new Counter({ ...optionsOf(metric), registers: [this.#registry] });
  }

  #histogram<M extends MetricDefinition>(metric: M): Histogram<LabelOf<M>> {
    return new Histogram({ ...optionsOf(metric), buckets: [...(metric.buckets ?? [])], registers: [this.#registry] });
  }

  #gauge<M extends MetricDefinition>(metric: M, collect?: () => void): Gauge<LabelOf<M>> {
    return new Gauge({ ...optionsOf(metric), registers: [this.#registry], ...(collect && { collect }) });
  }

  #sampled<M extends MetricDefinition>(metric: M, set: (gauge: Gauge<LabelOf<M>>) => void): void {
    const gauge: Gauge<LabelOf<M>> = this.#gauge(metric, () => set(gauge));
  }
}
