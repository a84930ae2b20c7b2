/**
 * Messages to a node, over its presence channel or the channel of all nodes. Redis keeps no message, so a message only
 * saves a wait: its information is also stored in Redis, or is requested again.
 */
export type NodeMessage =
  /** Send a heartbeat now: its reply carries the desired state. */
  | { readonly type: 'beat' }
  /** An operator has changed the mesh: check it now. */
  | { readonly type: 'look' }
  /** A node of the mesh has work, so nodes must sweep at the shorter interval. */
  | { readonly type: 'busy' }
  /** Stop the run of this task. */
  | { readonly type: 'cancel'; readonly taskId: string }
  /** A task of this pool is held for this node, for this reason. */
  | { readonly type: 'held'; readonly pool: string; readonly why: string }
  /** An answer is in this outbox. */
  | { readonly type: 'deliver'; readonly box: string }
  /** Identify your process; reply on the channel of this question. */
  | { readonly type: 'who'; readonly question: string };

export function formatNodeMessage(message: NodeMessage): string {
  switch (message.type) {
    case 'cancel':
      return `cancel ${message.taskId}`;
    case 'held':
      return `held ${message.pool} ${message.why}`;
    case 'deliver':
      return `deliver ${message.box}`;
    case 'who':
      return `who ${message.question}`;
    default:
      return message.type;
  }
}

/** Undefined for a message that this version does not know, or that is incomplete. */
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
    case 'deliver':
      return first === '' ? undefined : { type, box: first };
    case 'who':
      return first === '' ? undefined : { type, question: first };
    default:
      return undefined;
  }
}
