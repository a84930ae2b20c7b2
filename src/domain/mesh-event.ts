/** The fields of an event beside its name and time. */
type EventField = 'node' | 'incarnation' | 'gate' | 'task' | 'pool' | 'circuit' | 'reason' | 'silentMs';

interface EventKind {
  /** One sentence: what has happened, and what `reason` says. */
  readonly when: string;
  /** The fields that it sets; all others are null. */
  readonly fields: readonly EventField[];
}

/**
 * All events of the mesh's log. Most are written by a script, in the step that changes what they report; a test holds
 * the scripts to this table.
 */
export const MESH_EVENTS = {
  'node-up': { when: 'A daemon started as a new incarnation of its node.', fields: ['node', 'incarnation'] },
  'node-dead': {
    when: 'A node was declared dead; `reason` says why, as in a handover.',
    fields: ['node', 'incarnation', 'reason', 'silentMs'],
  },
  'node-forgotten': { when: 'An operator forgot a node.', fields: ['node'] },
  'gate-closed': {
    when: 'A gate of a node closed; `reason` says why.',
    fields: ['node', 'gate', 'reason'],
  },
  'gate-open': {
    when: 'A gate of a node opened; `reason` is its warning, if it has one.',
    fields: ['node', 'gate', 'reason'],
  },
  'circuit-opened': {
    when: 'The circuit of a provider opened; `reason` is the error of the last run.',
    fields: ['circuit', 'reason'],
  },
  'circuit-closed': {
    when: 'A circuit closed, after a success or by an operator.',
    fields: ['circuit', 'reason'],
  },
  'dead-letter': {
    when: 'A task failed for good; `reason` is the error. `node` is the last node, null for a task that failed because one before it (`--after`) did.',
    fields: ['task', 'pool', 'node', 'reason'],
  },
  'delivery-failed': {
    when: 'The answer of a task could not be sent to its recipient; `reason` says why.',
    fields: ['task', 'pool', 'reason'],
  },
  'repeated-failover': {
    when: 'A task was requeued for the third time because its node was lost.',
    fields: ['task', 'pool', 'node', 'reason'],
  },
} as const satisfies Readonly<Record<string, EventKind>>;

export type MeshEventName = keyof typeof MESH_EVENTS;
