import type { GateState, OpenClawState } from '../domain/node.ts';

/** What gates look at. */
export interface GateFacts {
  readonly openclaw: OpenClawState;
  /** Why OpenClaw isn't healthy; null if it is, undefined before it was first looked at. */
  readonly openclawTrouble: string | null | undefined;
  readonly versionMismatch: 'close' | 'warn';
  /** Why the provider does not let this node in; undefined if it does, as far as is known. */
  readonly loginTrouble: string | undefined;
  /** Why the node takes nothing new: it stops, or somebody has drained it. */
  readonly draining: 'stopping' | 'by hand' | undefined;
}

/** One condition that must hold for a node to claim tasks. */
export interface Gate {
  readonly name: string;
  /** Why the gate is closed, for people; null while it's open. */
  check(facts: GateFacts): string | null;
}

/** The state of every gate. */
export function checkGates(gates: readonly Gate[], facts: GateFacts): GateState[] {
  return gates.map((gate) => {
    const reason = gate.check(facts);
    return { name: gate.name, open: reason === null, reason };
  });
}
