import type { Config } from '../config/schema.ts';
import type { Finding } from '../domain/finding.ts';
import type { GateState, OpenClawState } from '../domain/node.ts';

/** The facts that a node knows about itself and the mesh. An unknown fact is undefined, and closes no gate. */
export interface NodeFacts {
  /** The config in use; its `gates` may be replaced while the node runs. */
  readonly config: Pick<Config, 'gates'>;
  readonly openclaw: OpenClawState;
  /** Why OpenClaw is not healthy; null if it is, undefined before the first check. */
  readonly openclawTrouble: string | null | undefined;
  /** What an operator does on this Mac while OpenClaw is not healthy. */
  readonly openclawRemedy: string;
  /** Why the provider refuses this node; undefined if no refusal is known. */
  readonly authTrouble: string | undefined;
  /** Why this Mac, rather than its tasks, seems to cause failures; undefined if it does not. */
  readonly failureTrouble: string | undefined;
  /** The folder that keeps undelivered results, and why it can't; undefined if it can. */
  readonly journal: { readonly folder: string; readonly trouble: string | undefined };
  /** Why the node claims nothing; undefined if it is not draining. */
  readonly draining: 'stopping' | 'by hand' | undefined;
  /** Who has paused the node and why, for people; undefined if it is not paused. */
  readonly pause: string | undefined;
  /** Memory still available to programs, bytes. */
  readonly freeMemory: number | undefined;
  /** Charge of the battery in use, 0 to 1; null on mains power. */
  readonly battery: number | null | undefined;
  /** This machine's clock minus Redis time, ms. */
  readonly clockSkewMs: number | undefined;
  /** The config digest of most other nodes, if it differs from this node's. */
  readonly otherDigest: string | undefined;
  /** The node's paused pools. */
  readonly pausedPools: readonly string[];
  /** Redis' maxmemory-policy. */
  readonly redisPolicy: string | undefined;
}

/** The finding of a gate; the gate adds the remedy. An error, the default, closes the gate. */
type GateFinding = Pick<Finding, 'problem'> & Partial<Pick<Finding, 'severity'>>;

interface GateSpec<Probed> {
  readonly name: string;
  /** Null while all is well. `probed` is undefined until the first probe has succeeded. */
  readonly check: (facts: NodeFacts, probed: Probed | undefined) => GateFinding | null;
  /** How to open the gate, or end the warning. */
  readonly remedy: string | ((facts: NodeFacts) => string);
}

/** A gate that also probes something itself, at an interval in ms. A failed probe changes nothing. */
interface ProbingGateSpec<Probed> extends GateSpec<Probed> {
  readonly every: number;
  readonly probe: (facts: NodeFacts) => Promise<Probed>;
}

/** One condition that must hold for a node to claim tasks. */
export interface Gate {
  readonly name: string;
  /** Interval between probes, ms; undefined for a gate that only uses the node's facts. */
  readonly every: number | undefined;
  /** The gate on one node, which remembers its last probe. */
  watch(): WatchedGate;
}

export interface WatchedGate {
  readonly gate: Gate;
  probe(facts: NodeFacts): Promise<void>;
  state(facts: NodeFacts): GateState;
}

/**
 * Defines a gate. To add one, create a file here that calls `defineGate`, and list it in `all.ts`.
 */
export function defineGate<Probed>(spec: GateSpec<Probed> | ProbingGateSpec<Probed>): Gate {
  const { name, check } = spec;
  const gate: Gate = {
    name,
    every: 'every' in spec ? spec.every : undefined,
    watch: () => {
      let probed: Probed | undefined;
      return {
        gate,
        probe: async (facts) => {
          if ('probe' in spec) probed = await spec.probe(facts);
        },
        state: (facts) => {
          const finding = check(facts, probed);
          if (!finding) return { name, open: true, reason: null, fix: null };
          const { severity = 'error', problem } = finding;
          const fix = typeof spec.remedy === 'string' ? spec.remedy : spec.remedy(facts);
          return { name, open: severity !== 'error', reason: problem, fix };
        },
      };
    },
  };
  return gate;
}
