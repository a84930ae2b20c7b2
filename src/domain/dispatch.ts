/** How tasks are spread over nodes; the names are part of the contract (CLI.md). */
export const DISPATCH_STRATEGIES = ['pull', 'round-robin', 'least-loaded'] as const;
export type DispatchStrategy = (typeof DISPATCH_STRATEGIES)[number];

/** What a node offers when it asks for a task of a pool. */
export interface Offer {
  /** Slots that are free for this pool, the one to be filled included. */
  readonly free: number;
  /** Tasks that the node runs, of all pools, without the one it asks for. */
  readonly running: number;
  /** Tasks that it runs at once at most, of all pools. */
  readonly slots: number;
  /** How much harder than its running tasks tell the machine is at work; 1 for not at all. */
  readonly pressure: number;
}
