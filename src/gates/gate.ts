import type { Config } from '../config/schema.ts';
import type { GateState, OpenClawState } from '../domain/node.ts';

/** What a node knows of itself and its surroundings. What is not known is undefined, and closes no gate. */
export interface NodeFacts {
  /** The config in use; its `gates` may be replaced while the node runs. */
  readonly config: Pick<Config, 'gates'>;
  readonly openclaw: OpenClawState;
  /** Why OpenClaw is not healthy; null if it is, undefined before the first check. */
  readonly openclawTrouble: string | null | undefined;
  /** Why the provider refuses this node; undefined if it does not, as far as is known. */
  readonly authTrouble: string | undefined;
  /** Why this Mac, and not its tasks, seems to be what makes them fail; undefined if it does not. */
  readonly failureTrouble: string | undefined;
  /** Where outcomes are kept while Redis is away, and why they can't be; undefined if they can. */
  readonly journal: { readonly folder: string; readonly trouble: string | undefined };
  /** Why the node takes nothing new. */
  readonly draining: 'stopping' | 'by hand' | undefined;
  /** Memory that programs could still have, bytes. */
  readonly freeMemory: number | undefined;
  /** Charge of the battery that the machine runs on, 0 to 1; null if it is on mains. */
  readonly battery: number | null | undefined;
  /** This machine's clock minus Redis', ms. */
  readonly clockSkewMs: number | undefined;
  /** The config digest of most other nodes, if it differs from this node's. */
  readonly otherDigest: string | undefined;
  /** Those of the node's pools that are paused. */
  readonly pausedPools: readonly string[];
  /** Redis' maxmemory-policy. */
  readonly redisPolicy: string | undefined;
}

/** What a gate has found to be wrong. */
export interface GateFinding {
  readonly reason: string;
  /** Worth knowing, but the gate stays open. */
  readonly onlyWarns?: boolean;
}

interface GateSpec<Probed> {
  readonly name: string;
  /** Null while all is well. `probed` is undefined until the first probe has succeeded. */
  readonly check: (facts: NodeFacts, probed: Probed | undefined) => GateFinding | null;
  /** What to do about a finding. */
  readonly fix: string | ((facts: NodeFacts) => string);
}

/** A gate that also looks at something by itself, at an interval in ms. A probe that fails changes nothing. */
interface ProbingGateSpec<Probed> extends GateSpec<Probed> {
  readonly every: number;
  readonly probe: (facts: NodeFacts) => Promise<Probed>;
}

/** One condition that must hold for a node to claim tasks. */
export interface Gate {
  readonly name: string;
  /** How often to probe, ms; undefined for a gate that only looks at what the node knows. */
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
 * Makes a gate of its parts. To add one: a file here with `defineGate`, and its line in `all.ts`.
 */
export function defineGate<Probed>(spec: GateSpec<Probed> | ProbingGateSpec<Probed>): Gate {
  const { name, check, fix } = spec;
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
          const remedy = typeof fix === 'string' ? fix : fix(facts);
          return { name, open: finding.onlyWarns === true, reason: finding.reason, fix: remedy };
        },
      };
    },
  };
  return gate;
}
