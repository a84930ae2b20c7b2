/** How tasks are spread over nodes; the names are part of the public contract. */
export const DISPATCH_STRATEGIES = ['pull', 'round-robin', 'least-loaded'] as const;
export type DispatchStrategy = (typeof DISPATCH_STRATEGIES)[number];

/** What a node states when it asks for a task of a pool. */
export interface Offer {
  /** Free slots for this pool, including the slot to be filled. */
  readonly free: number;
  /** Tasks that the node runs in all pools, without the requested one. */
  readonly running: number;
  /** Maximum number of tasks that the node runs at once, in all pools. */
  readonly slots: number;
  /** Load beyond what the running tasks explain; 1 = none. */
  readonly pressure: number;
}
