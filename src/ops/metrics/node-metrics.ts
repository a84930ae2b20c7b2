import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Claim } from '../../domain/claim.ts';
import type { HandoverReason } from '../../domain/handover.ts';
import type { GateState } from '../../domain/node.ts';
import type { TaskResult } from '../../domain/task.ts';

/** Tasks run from seconds to an hour, s. */
const RUN_BUCKETS = [0.1, 0.5, 1, 5, 15, 30, 60, 120, 300, 600, 1_200, 1_800, 3_600, 7_200];
/** From an immediate claim to a backlog of hours, s. */
const WAIT_BUCKETS = [0.005, 0.02, 0.1, 0.5, 1, 5, 15, 60, 300, 900, 3_600, 14_400];
/** Around the promised times, s: one second after a crash, 16 s after a power cut, at the default heartbeat. */
const TAKEOVER_BUCKETS = [0.25, 0.5, 1, 1.5, 2, 3, 5, 10, 16, 30, 60, 300, 900];
const LATENCY_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5];

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
  readonly #claims = this.#counter('claims_total', 'Claimed tasks.', ['pool']);
  readonly #runs = this.#counter('runs_total', 'Ended runs, by outcome.', ['pool', 'outcome']);
  readonly #handovers = this.#counter('handovers_total', 'Tasks that this node requeued or released, by reason.', [
    'reason',
  ]);
  readonly #tokens = this.#counter('tokens_total', 'Tokens used by completed tasks.', ['model', 'kind']);
  readonly #cost = this.#counter('cost_total', "Cost of completed tasks, in the provider's currency.", ['model']);
  readonly #wait = this.#histogram(
    'task_wait_seconds',
    'Time from when a task is ready until its first claim.',
    ['pool'],
    WAIT_BUCKETS,
  );
  readonly #run = this.#histogram('run_seconds', 'Duration of runs.', ['pool', 'outcome'], RUN_BUCKETS);
  readonly #takeover = this.#histogram(
    'takeover_seconds',
    'Time from the last sign of life of the previous node to the claim by this node.',
    ['reason'],
    TAKEOVER_BUCKETS,
  );
  readonly #latency = this.#histogram(
    'heartbeat_seconds',
    'Duration of a heartbeat request to Redis.',
    [],
    LATENCY_BUCKETS,
  );
  readonly #running = this.#gauge('running', 'Running tasks.', ['pool']);

  /** Calls `facts` at each scrape. */
  constructor(options: { mesh: string; nodeId: string; pools: readonly string[]; facts: () => NodeFacts }) {
    const { mesh, nodeId, pools, facts } = options;
    this.#registry.setDefaultLabels({ mesh, node: nodeId });
    for (const pool of pools) {
      this.#running.set({ pool }, 0);
      this.#claims.inc({ pool }, 0);
    }
    this.#sampled('node_ready', 'Whether the node claims tasks.', (gauge) => gauge.set(facts().ready ? 1 : 0));
    this.#sampled('heartbeat_age_seconds', 'Time since Redis accepted the last heartbeat.', (gauge) => {
      const { heartbeatAgeMs } = facts();
      if (heartbeatAgeMs !== null) gauge.set(heartbeatAgeMs / 1_000);
    });
    const gates = this.#gauge('gate_open', 'Whether the gate is open.', ['gate'], () => {
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

  #counter<T extends string>(name: string, help: string, labelNames: T[]): Counter<T> {
    return new Counter({ name: `clawmesh_${name}`, help, labelNames, registers: [this.#registry] });
  }

  #histogram<T extends string>(name: string, help: string, labelNames: T[], buckets: number[]): Histogram<T> {
    return new Histogram({ name: `clawmesh_${name}`, help, labelNames, buckets, registers: [this.#registry] });
  }

  #gauge<T extends string>(name: string, help: string, labelNames: T[], collect?: () => void): Gauge<T> {
    const registers = [this.#registry];
    return new Gauge({ name: `clawmesh_${name}`, help, labelNames, registers, ...(collect && { collect }) });
  }

  #sampled(name: string, help: string, set: (gauge: Gauge) => void): void {
    const gauge: Gauge = this.#gauge(name, help, [], () => set(gauge));
  }
}
