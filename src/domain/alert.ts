/** What people may be told of; the names are part of the contract (CLI.md). */
export const ALERT_KINDS = [
  'node-dead',
  'dead-letter',
  'repeated-failover',
  'circuit-open',
  'queue-latency',
  'no-nodes',
] as const;
export type AlertKind = (typeof ALERT_KINDS)[number];

/** One thing that people are told. */
export interface Alert {
  readonly kind: AlertKind | 'test';
  readonly mesh: string;
  readonly state: 'firing' | 'resolved';
  /** What it is about: a node, a task, a pool, a circuit. */
  readonly subject: string;
  readonly text: string;
  /** What to do; null once it is over. */
  readonly fix: string | null;
  /** ISO 8601. */
  readonly at: string;
}
