import { counted } from './counted.ts';
import type { NodeState, REPORTED_STATES } from './node-state.ts';
import type { Allowed } from './target.ts';

/** A condition that must hold for a node to claim tasks. */
export interface GateState {
  /** Name of the gate. */
  readonly name: string;
  /** Whether the gate lets the node claim. */
  readonly open: boolean;
  /** Why the gate is closed, or open with a warning, for people; null if all is well. */
  readonly reason: string | null;
  /** The remedy. */
  readonly fix: string | null;
}

/** What an operator can want of a node: drain or pause, or crash or freeze for a drill. */
export const DESIRED_STATES = ['drain', 'pause', 'drill-crash', 'drill-freeze'] as const;
export type DesiredState = (typeof DESIRED_STATES)[number];

/** Reason of a closed gate while nothing is known yet of the node's OpenClaw. */
export const NOT_RESPONDED_YET = 'OpenClaw has not responded yet';

/** How a node runs tasks: one mode for each kind of runner (src/runners/all.ts). */
export const OPENCLAW_MODES = ['gateway', 'exec', 'simulate'] as const;
export type OpenClawMode = (typeof OPENCLAW_MODES)[number];

/** The OpenClaw of a node. */
export interface OpenClawState {
  /** How the node runs tasks. */
  readonly mode: OpenClawMode;
  /** The running version; null if it is not known (yet). */
  readonly version: string | null;
  /** The pinned version; null if none is pinned. */
  readonly expected: string | null;
  /** Whether OpenClaw can run tasks. */
  readonly healthy: boolean;
}

/** The content of a heartbeat: everything that other nodes and programs may need to know about a node. */
export interface NodeRecord {
  /** Grows with each start of its daemon. */
  readonly incarnation: number;
  readonly state: (typeof REPORTED_STATES)[number];
  /** Host name. */
  readonly host: string;
  /** Process id of its daemon. */
  readonly pid: number;
  /** Version of clawmesh. */
  readonly version: string;
  /** Time since its daemon started, ms. */
  readonly uptimeMs: number;
  /** From `nodes.<id>.labels`. */
  readonly labels: Readonly<Record<string, string>>;
  /** The only agents and models that the node runs. */
  readonly allow?: Allowed | undefined;
  readonly pools: Readonly<Record<string, { readonly concurrency: number; readonly running: number }>>;
  /** Maximum number of tasks at once in all pools, if it is less than the sum of the pools. */
  readonly maxTasks?: number | undefined;
  /** Ids of the running tasks. */
  readonly running: readonly string[];
  /** The OpenClaw that runs its tasks. */
  readonly openclaw: OpenClawState;
  /** Digest of the settings that all nodes share; see `config digest`. */
  readonly configDigest: string;
  /** All gates of the node, open or closed. */
  readonly gates: readonly GateState[];
  /** Load of its machine. */
  readonly load: NodeLoad;
  /** The chat channels that its OpenClaw has running, as `<channel>/<account>`. */
  readonly channels?: readonly string[] | undefined;
  /** Results on the node's disk: those to deliver, and those discarded because another node had the task by then. */
  readonly journal: { readonly pending: number; readonly discarded: number };
  /** Lease that this record renews, ms. */
  readonly leaseMs: number;
}

/** The load of a node's machine and daemon. */
export interface NodeLoad {
  /** One-minute load average per core. */
  readonly cpu: number;
  /** Share of memory in use, 0 to 1. */
  readonly memory: number;
  /** 99th percentile of the event loop's delay since the last heartbeat, ms. */
  readonly eventLoopDelayMs: number;
}

/**
 * A node as its lease and its last heartbeat describe it. The tasks that it ran then are left out, because the node may
 * have claimed, finished or lost tasks since; see {@link Node}.
 */
export interface SeenNode extends Omit<NodeRecord, 'state' | 'leaseMs' | 'running' | 'pools'> {
  /** Id of the node. */
  readonly id: string;
  /** State of the node. */
  readonly state: NodeState;
  readonly pools: Readonly<Record<string, { readonly concurrency: number }>>;
  /** Time since the last heartbeat, measured in Redis time, ms; null once the node has stopped. */
  readonly heartbeatAgeMs: number | null;
}

/** A node as `node list --json` prints it. Its running tasks come from the locks of the tasks. */
export interface Node extends Omit<SeenNode, 'pools'> {
  /** Per pool that it serves: maximum number of tasks at once, and number of running tasks. */
  readonly pools: Readonly<Record<string, { readonly concurrency: number; readonly running: number }>>;
  /** Ids of the running tasks; empty for a node that is dead or stopped. */
  readonly running: readonly string[];
  /**
   * Ids of tasks that this node or an earlier incarnation claimed, but can't be running. Another node will take them
   * over.
   */
  readonly orphaned: readonly string[];
}

/** Maximum number of tasks that a node runs at once, in all pools. */
export function slotsOf(concurrencies: readonly number[], maxTasks: number | undefined): number {
  const inPools = concurrencies.reduce((sum, concurrency) => sum + concurrency, 0);
  return Math.min(maxTasks ?? inPools, inPools);
}

/** Part of a sentence about a lost node: how many of its tasks still wait for another node. */
export function orphanedWords(count: number): string {
  return `${counted(count, 'task')} of this node ${count === 1 ? 'waits' : 'wait'} for another node`;
}
