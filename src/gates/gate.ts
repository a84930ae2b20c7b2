import type { GateState, OpenClawState } from '../domain/node.ts';

/** What gates look at. Whatever is not known is undefined, and closes no gate. */
export interface GateFacts {
  readonly openclaw: OpenClawState;
  /** Why OpenClaw isn't healthy; null if it is, undefined before it was first looked at. */
  readonly openclawTrouble: string | null | undefined;
  readonly versionMismatch: 'close' | 'warn';
  /** Why the provider does not let this node in; undefined if it does, as far as is known. */
  readonly loginTrouble: string | undefined;
  /** Why this Mac seems to be what its tasks fail of; undefined if it does not. */
  readonly failureTrouble?: string | undefined;
  /** Why outcomes can't be kept on disk, and where; undefined if they can. */
  readonly journalTrouble: string | undefined;
  /** Why the node takes nothing new: it stops, or somebody has drained it. */
  readonly draining: 'stopping' | 'by hand' | undefined;
  /** Free and least free disk, bytes. */
  readonly freeDisk: number | undefined;
  readonly minFreeDisk: number;
  /** Memory that programs could still have, and the least of it, bytes; 0 for no limit. */
  readonly freeMemory: number | undefined;
  readonly minFreeMemory: number;
  /** Charge of a battery that the machine runs on, 0 to 1; null where it has another supply. */
  readonly battery: number | null | undefined;
  readonly minBattery: number;
  /** This machine's clock less Redis', ms. */
  readonly clockSkewMs: number | undefined;
  readonly maxClockSkewMs: number;
  readonly clockSkew: 'close' | 'warn';
  /** The config of most other nodes that are up, where this node's is another. */
  readonly otherDigest: string | undefined;
  readonly configDrift: 'close' | 'warn';
  /** Those of the node's pools that somebody has paused. */
  readonly pausedPools: readonly string[];
  /** Redis' maxmemory-policy. */
  readonly redisPolicy: string | undefined;
}

/** What a gate has found to be wrong. */
export interface Finding {
  readonly reason: string;
  readonly fix: string;
  /** Worth knowing, but no reason to take no tasks. */
  readonly onlyWarns?: boolean;
}

/** One condition that must hold for a node to claim tasks. */
export interface Gate {
  readonly name: string;
  /** Null while all is well. */
  check(facts: GateFacts): Finding | null;
}

/** The state of every gate. */
export function checkGates(gates: readonly Gate[], facts: GateFacts): GateState[] {
  return gates.map((gate) => {
    const finding = gate.check(facts);
    return {
      name: gate.name,
      open: finding === null || finding.onlyWarns === true,
      reason: finding?.reason ?? null,
      fix: finding?.fix ?? null,
    };
  });
}
