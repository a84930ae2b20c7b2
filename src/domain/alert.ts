/** Conditions that can raise an alert; the names are part of the public contract. */
export const ALERT_KINDS = [
  'node-dead',
  'dead-letter',
  'repeated-failover',
  'delivery-failed',
  'circuit-open',
  'queue-latency',
  'no-nodes',
] as const;
export type AlertKind = (typeof ALERT_KINDS)[number];

/** One alert, as its receivers get it. */
export interface Alert {
  readonly kind: AlertKind | 'test';
  readonly mesh: string;
  readonly state: 'firing' | 'resolved';
  /** The node, task, pool or circuit that the alert is about. */
  readonly subject: string;
  readonly text: string;
  /** The remedy; null once the alert is resolved. */
  readonly fix: string | null;
  /** ISO 8601. */
  readonly at: string;
}
