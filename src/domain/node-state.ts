import type { Transition } from './transition.ts';

/** The states of a node that people and programs see. */
export const NODE_STATES = ['up', 'gated', 'paused', 'draining', 'dead', 'stopped'] as const;
export type NodeState = (typeof NODE_STATES)[number];

/** The states that a node reports with a heartbeat. Only other nodes can find that it is dead. */
export const REPORTED_STATES = ['up', 'gated', 'paused', 'draining', 'stopped'] as const satisfies readonly NodeState[];

/** `none`: the mesh does not know the node, or has forgotten it. */
export type KnownNodeState = NodeState | 'none';

/** What each state means, for people. */
export const NODE_MEANINGS: Readonly<Record<KnownNodeState, string>> = {
  none: 'The mesh does not know the node: it has never started, or was forgotten.',
  up: 'Claims tasks.',
  gated: 'Claims no tasks until all its gates are open. Its running tasks continue.',
  paused: 'Claims no tasks until it is resumed, or its pause is over. Its running tasks continue.',
  draining: 'Claims no tasks until it is resumed. It releases runs that outlast `node.drainTimeout`.',
  dead: 'Its lease expired, or it was declared dead. Its tasks are requeued.',
  stopped: 'Its daemon stopped normally, and gave up its lease.',
};

const PRESENT = ['up', 'gated', 'paused', 'draining'] as const;

/**
 * All transitions of a node's state, as heartbeats, leases and records show it. A test holds the registry to this
 * table.
 */
export const NODE_TRANSITIONS = [
  {
    from: ['none', ...NODE_STATES],
    to: PRESENT,
    event: 'start',
    by: 'node',
    when: 'Its daemon starts as a new incarnation, which fences all previous ones, and sends its first heartbeat.',
  },
  { from: ['up'], to: ['gated'], event: 'gate', by: 'node', when: 'A gate closed.' },
  { from: ['gated'], to: ['up'], event: 'ungate', by: 'node', when: 'All its gates are open again.' },
  {
    from: ['up', 'gated', 'draining'],
    to: ['paused'],
    event: 'pause',
    by: 'command',
    when: 'An operator paused the node. A drain ends, and its runs continue.',
  },
  {
    from: ['paused'],
    to: ['up', 'gated'],
    event: 'resume',
    by: 'time',
    when: 'The pause was for a limited time, which is over.',
  },
  {
    from: ['up', 'gated', 'paused'],
    to: ['draining'],
    event: 'drain',
    by: 'command',
    when: 'An operator drained the node, or its daemon is about to stop.',
  },
  {
    from: ['paused', 'draining'],
    to: ['up', 'gated'],
    event: 'resume',
    by: 'command',
    when: 'An operator resumed the node.',
  },
  { from: PRESENT, to: ['stopped'], event: 'stop', by: 'node', when: 'Its daemon stops, and gives up its lease.' },
  {
    from: PRESENT,
    to: ['dead'],
    event: 'expire',
    by: 'time',
    when: 'Its lease expired, because no heartbeat came in time. The next sweep fences the node.',
  },
  {
    from: PRESENT,
    to: ['dead'],
    event: 'declare-dead',
    by: 'sweep',
    when: 'Its connection to Redis has been gone for longer than `health.crashGrace`.',
  },
  { from: PRESENT, to: ['dead'], event: 'evict', by: 'command', when: 'An operator declared the node dead.' },
  {
    from: ['dead'],
    to: [...PRESENT, 'stopped'],
    event: 'heartbeat',
    by: 'node',
    when: 'A heartbeat comes late, but before a sweep has fenced the node.',
  },
  { from: ['dead', 'stopped'], to: ['none'], event: 'forget', by: 'command', when: 'An operator forgot the node.' },
  {
    from: ['dead', 'stopped'],
    to: ['none'],
    event: 'forget',
    by: 'sweep',
    when: 'The node has been away for 30 days.',
  },
] as const satisfies readonly Transition<KnownNodeState>[];

/** Whether the node still counts as present, so that only an eviction makes it count as dead at once. */
export function isThere(state: NodeState): boolean {
  return NODE_TRANSITIONS.some((row) => row.event === 'evict' && row.from.some((from) => from === state));
}
