/**
 * What a node may be told over its presence channel, or over the one that all nodes listen on. Redis keeps no message,
 * so each
 * only saves a wait: what it is about also stands in Redis, or is asked for again.
 */
export type NodeMessage =
  /** Send a heartbeat now: its reply carries the desired state. */
  | { readonly type: 'beat' }
  /** An operator has changed the mesh: look at it now. */
  | { readonly type: 'look' }
  /** A node of the mesh works, so it has to be watched closely. */
  | { readonly type: 'busy' }
  /** Stop the run of this task. */
  | { readonly type: 'cancel'; readonly taskId: string }
  /** A task of this pool is held for this node, for this reason. */
  | { readonly type: 'held'; readonly pool: string; readonly why: string }
  /** Which process are you? The answer goes to the channel of this question. */
  | { readonly type: 'who'; readonly question: string };

export function formatNodeMessage(message: NodeMessage): string {
  switch (message.type) {
    case 'cancel':
      return `cancel ${message.taskId}`;
    case 'held':
      return `held ${message.pool} ${message.why}`;
    case 'who':
      return `who ${message.question}`;
    default:
      return message.type;
  }
}

/** Undefined for a message that this version does not know, or that lacks a part. */
export function parseNodeMessage(text: string): NodeMessage | undefined {
  const [type, first = '', second = ''] = text.split(' ');
  switch (type) {
    case 'beat':
    case 'look':
    case 'busy':
      return { type };
    case 'cancel':
      return first === '' ? undefined : { type, taskId: first };
    case 'held':
      return first === '' || second === '' ? undefined : { type, pool: first, why: second };
    case 'who':
      return first === '' ? undefined : { type, question: first };
    default:
      return undefined;
  }
}
