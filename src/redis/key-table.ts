type KeyType = 'string' | 'list' | 'set' | 'sorted set' | 'hash' | 'stream' | 'channel';

/** Keys that belong together. `{…}` is the hash tag of the mesh, `{<prefix>:<mesh>}`. */
interface KeyRow {
  readonly keys: Readonly<Record<`{…}${string}`, KeyType>>;
  readonly what: string;
  /** Who writes them. */
  readonly by: string;
  /** What keeps them from growing without end; a test exceeds each bound. */
  readonly bound: string;
}

const POOL = '{…}:<pool>';

/**
 * All Redis keys of a mesh. The reference page is generated from this table; tests hold it to the names in `keys.ts`,
 * and to the keys, types and bounds that they find in Redis.
 */
export const KEY_TABLE: readonly KeyRow[] = [
  {
    keys: {
      [`${POOL}:wait`]: 'list',
      [`${POOL}:prioritized`]: 'sorted set',
      [`${POOL}:delayed`]: 'sorted set',
      [`${POOL}:active`]: 'list',
      [`${POOL}:completed`]: 'sorted set',
      [`${POOL}:failed`]: 'sorted set',
      [`${POOL}:paused`]: 'list',
      [`${POOL}:waiting-children`]: 'sorted set',
      [`${POOL}:marker`]: 'sorted set',
      [`${POOL}:pc`]: 'string',
      [`${POOL}:meta`]: 'hash',
      [`${POOL}:stalled`]: 'set',
      [`${POOL}:events`]: 'stream',
    },
    what: "The queue of a pool, in BullMQ's layout: task ids by state, settings, BullMQ's events.",
    by: 'all scripts',
    bound:
      'Tasks that have not ended; ended ones by `queue.retention`. The stream has about 10,000 entries. Forgotten with the pool.',
  },
  {
    keys: { [`${POOL}:<task id>`]: 'hash' },
    what:
      "A task: BullMQ's fields, and those of clawmesh: `cm:history`, `cm:handovers`, `cm:lost`, `cm:error`, `cm:held`, " +
      '`cm:holds`, `cm:max`, `cm:cancel`, `cm:after`, `cm:key`, `cm:refusedOn`, `cm:notAllowedOn`, `cm:fellBack`, ' +
      '`cm:place`, `cm:bound`, `cm:waitedFor`, `cm:movedFrom`, `cm:acknowledged`, `cm:session`, `cm:needs`, `cm:box`, ' +
      '`cm:ends`, `cm:delivery`, `cm:deliveryBy`, `cm:deliveryAt`, `cm:deliveryTries` and `cm:deliveryReason`.',
    by: 'producers; then its node, the sweep, operators',
    bound: 'Removed with its task. A message has at most 1 MiB; `cm:history` has at most 100 lines.',
  },
  {
    keys: { [`${POOL}:<task id>:logs`]: 'list' },
    what: 'Log lines of the task.',
    by: 'its node',
    bound: '1,000 lines; removed with its task.',
  },
  {
    keys: { '{…}/cancelled:<pool>': 'sorted set' },
    what: 'The failed tasks that were cancelled, by the time they ended. For BullMQ, they have failed.',
    by: 'its node, the sweep, operators',
    bound: '`queue.retention.failed`, `queue.retention.count`.',
  },
  {
    keys: { '{…}/acknowledged:<pool>': 'sorted set' },
    what: 'The failed tasks that an operator has acknowledged, by time.',
    by: 'operators',
    bound: 'Removed with the task, or when the task is queued again.',
  },
  {
    keys: { [`${POOL}:<task id>:lock`]: 'string' },
    what: 'The claim on a task: `<node>~<incarnation>:<n>`.',
    by: 'its node',
    bound: 'Expires after the visibility timeout.',
  },
  {
    keys: { [`${POOL}:repeat`]: 'sorted set', [`${POOL}:repeat:<schedule>`]: 'hash' },
    what: 'When the next task of a schedule is due, and how BullMQ makes it.',
    by: 'operators, nodes',
    bound: 'Removed with the schedule.',
  },
  {
    keys: { '{…}/incarnations': 'hash' },
    what: 'Node id → its current incarnation. Field `""`: the highest incarnation of all forgotten nodes.',
    by: 'the node, the sweep',
    bound: 'Nodes, until they are forgotten.',
  },
  {
    keys: { '{…}/id': 'string' },
    what: 'The id that distinguishes this mesh from others of the same name.',
    by: 'the first node',
    bound: 'One.',
  },
  {
    keys: { '{…}/tokens': 'hash' },
    what: '`<pool>:<node id>` → the token of the newest claim, so that a repeated claim brings no second task.',
    by: 'the node',
    bound: 'One per node and pool, until either is forgotten.',
  },
  {
    keys: { '{…}/serves': 'hash' },
    what: 'Node id → the pools that its incarnation serves.',
    by: 'the node',
    bound: 'Nodes, until they are forgotten.',
  },
  {
    keys: { '{…}/leases': 'sorted set' },
    what: 'Node ids by the Redis time at which their lease ends.',
    by: 'the node, the sweep',
    bound: 'Nodes that are present.',
  },
  {
    keys: { '{…}/nodes': 'hash' },
    what: 'Node id → its last heartbeat (JSON).',
    by: 'the node',
    bound: 'Nodes, until they are forgotten.',
  },
  {
    keys: { '{…}/pools': 'set' },
    what: 'Pools that were ever used or served.',
    by: 'producers, nodes',
    bound: 'Pools, until they are forgotten.',
  },
  {
    keys: { '{…}/absent': 'hash' },
    what:
      'Node id → `<incarnation> <since>` of absent nodes (incarnation 0: forgotten by an operator); `pool <pool>` → since ' +
      'when the pool has been empty.',
    by: 'the cleanup, operators',
    bound: 'Nodes and pools, until they are forgotten.',
  },
  {
    keys: { '{…}/deaths': 'hash' },
    what: '`<node>~<incarnation>` declared dead → the reason and times (JSON).',
    by: 'the sweep, the node, operators',
    bound: 'Until its tasks are requeued, or the node is forgotten.',
  },
  {
    keys: { '{…}/presence': 'hash', '{…}/absent-since': 'hash' },
    what: 'Node id → the run of Redis on which its presence was last seen, and since when the presence has been gone.',
    by: 'the sweep',
    bound: 'Nodes, until they die or are forgotten.',
  },
  {
    keys: { '{…}/sweep': 'hash' },
    what: 'State of the sweep: times of the last sweep and of the last pass through all claims, whether there is work.',
    by: 'the sweep',
    bound: '7 fields.',
  },
  {
    keys: { '{…}/control': 'hash' },
    what: 'Node id → its desired state: `drain`, a drill, or a pause with its times (ms), note and author.',
    by: 'operators',
    bound: 'Nodes, until they are forgotten.',
  },
  {
    keys: { '{…}/tidying': 'string' },
    what: 'The node that does the mesh-wide cleanup.',
    by: 'nodes',
    bound: 'Expires after 15 s.',
  },
  {
    keys: { '{…}/alive:<node>~<incarnation>': 'channel' },
    what: 'The presence of a node, and messages to it alone.',
    by: 'nodes, operators',
    bound: 'Keeps nothing.',
  },
  {
    keys: { '{…}/who:<question>': 'channel' },
    what: "A daemon's reply to another one that starts with its node id: host, process, addresses.",
    by: 'nodes',
    bound: 'Keeps nothing.',
  },
  {
    keys: { '{…}/all': 'channel' },
    what: 'Messages to all nodes, such as a paused pool.',
    by: 'nodes, operators',
    bound: 'Keeps nothing.',
  },
  {
    keys: { '{…}/handovers': 'stream' },
    what: 'The handover log.',
    by: 'nodes, the sweep',
    bound: 'About 10,000 entries.',
  },
  {
    keys: { '{…}/held': 'set', '{…}/held:<pool> <why>': 'sorted set' },
    what: 'The reasons for which tasks are held, and the tasks that are held for each.',
    by: 'producers, nodes',
    bound: 'Held tasks; others are removed within a minute.',
  },
  {
    keys: { '{…}/outboxes': 'set', '{…}/outbox:<box>': 'sorted set' },
    what:
      'The outboxes with answers to send, and the tasks in each, by the time of the next try. A box is `<channel>`, ' +
      '`<channel>/<account>` or `@webhook`.',
    by: 'nodes, the sweep, operators',
    bound: 'Removed with the task; given up after `delivery.giveUpAfter`.',
  },
  {
    keys: { '{…}/free:<pool>': 'hash', '{…}/turns:<pool>': 'hash', '{…}/loads': 'hash' },
    what: 'Free slots, turns and loads of the nodes; only with a dispatch strategy other than `pull`.',
    by: 'nodes',
    bound: 'Nodes, until they are forgotten.',
  },
  {
    keys: { '{…}/wakeup:<pool> <node>': 'sorted set' },
    what: 'Wakes one node.',
    by: 'nodes',
    bound: 'Expires after a minute.',
  },
  {
    keys: { '{…}/session:<agent>|<session>': 'hash', '{…}/session:<agent>|<session>:recent': 'list' },
    what: 'State of a session, such as its sticky node and its running task; its last tasks.',
    by: 'producers, nodes',
    bound: 'Expires after 30 days; 10 tasks.',
  },
  {
    keys: { '{…}/alert:<kind>:<subject>': 'string', '{…}/alert:watcher': 'string' },
    what: 'An alert that has been sent; the node that watches the state of the mesh.',
    by: 'nodes, the dashboard',
    bound: 'Expires after a day at most.',
  },
  {
    keys: { '{…}/circuits': 'hash' },
    what: 'Circuits with failures (JSON).',
    by: 'nodes, operators',
    bound: 'Closed ones a day after their last failure; open ones that hold nothing are forgotten.',
  },
  {
    keys: { '{…}/circuits:version': 'string' },
    what: 'A number that grows whenever a circuit appears, opens or closes.',
    by: 'nodes, operators',
    bound: 'A number.',
  },
  {
    keys: { '{…}/events': 'stream' },
    what: 'The event log.',
    by: 'nodes, the sweep, operators',
    bound: 'About 10,000 entries; readers until they are forgotten.',
  },
  {
    keys: { '{…}/usage:<day>': 'hash' },
    what: '`<agent>|<model>|<what>` → the sum of one day (days since 1970, UTC).',
    by: 'nodes',
    bound: '`queue.retention.usage`; some 400 agents and models a day, all others together as `*`.',
  },
  {
    keys: { '{…}/schedules': 'hash', '{…}/schedules:failures': 'hash', '{…}/schedules:last': 'hash' },
    what: 'Name of a schedule → its definition (JSON), why its next task could not be queued, and its latest task.',
    by: 'operators, nodes',
    bound: '1,000 schedules.',
  },
  {
    keys: { '{…}/imported-jobs': 'hash' },
    what: '`<gateway> <job>` → a cron job of an OpenClaw gateway that is a schedule of the mesh now (JSON).',
    by: 'operators',
    bound: '10,000 jobs; removed when the import is undone.',
  },
  {
    keys: { '{…}/import:<digest>': 'string' },
    what: 'A running import of a file of tasks.',
    by: 'producers',
    bound: 'Expires after a day.',
  },
  {
    keys: { '{…}/key:<key>': 'string' },
    what: 'Idempotency key → `<pool> <task id>`; `ended` follows once the task has been removed.',
    by: 'producers, nodes',
    bound: 'Its task; a key beyond `queue.retention.count` is kept until the end of `queue.retention`.',
  },
  {
    keys: { '{…}/acknowledged': 'string' },
    what: 'Number of enqueues that waited for a replica.',
    by: 'producers',
    bound: 'A number.',
  },
];
