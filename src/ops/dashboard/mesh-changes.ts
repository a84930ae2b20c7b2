import { isDeepStrictEqual } from 'node:util';
import type { Node, NodeLoad } from '../../domain/node.ts';
import type { RunningTask, Snapshot } from '../snapshot.ts';
import type { DeadPeriod } from './timeline.ts';

/** A node as the page gets it, without the values that change with every read. */
export type LiveNode = Omit<Node, 'heartbeatAgeMs' | 'uptimeMs' | 'load'> & {
  /** Redis time, ms; null if the node has stopped. */
  readonly heartbeatAt: number | null;
  /** In whole percents, so that small changes are not sent. */
  readonly load: Pick<NodeLoad, 'cpu' | 'memory'>;
};

/** All that a page shows of a mesh, except the runs. */
export interface MeshView {
  readonly snapshot: Snapshot;
  /** By id. */
  readonly nodes: ReadonlyMap<string, LiveNode>;
  readonly dead: readonly DeadPeriod[];
}

/** What has changed since another view. */
export interface MeshChange {
  readonly snapshot: Partial<Omit<Snapshot, 'running'>>;
  /** Ids of the running tasks, in order, and those tasks that are new or have changed; null if nothing has. */
  readonly running: { readonly ids: readonly string[]; readonly changed: readonly RunningTask[] } | null;
  /** The changed fields of each changed node. */
  readonly nodes: readonly (Partial<LiveNode> & Pick<LiveNode, 'id'>)[];
  /** Ids of the nodes that the mesh has forgotten. */
  readonly gone: readonly string[];
  /** All periods; null if none has changed. */
  readonly dead: readonly DeadPeriod[] | null;
}

/** Each read computes the time of a heartbeat from two clocks. A smaller difference is none, ms. */
const SAME_HEARTBEAT_MS = 250;

/** The node as the page gets it. `known`: the same node as of the last read. `now`: Redis time, ms. */
export function liveNode(node: Node, now: number, known: LiveNode | undefined): LiveNode {
  const { heartbeatAgeMs, uptimeMs: _, load, ...rest } = node;
  const read = heartbeatAgeMs === null ? null : Math.round(now - heartbeatAgeMs);
  const before = known?.heartbeatAt ?? null;
  const isSame = read !== null && before !== null && Math.abs(read - before) < SAME_HEARTBEAT_MS;
  return {
    ...rest,
    load: { cpu: percents(load.cpu), memory: percents(load.memory) },
    heartbeatAt: isSame ? before : read,
  };
}

/** What a page has to know to get from one view to the next; undefined if nothing. */
export function changesOf(before: MeshView, after: MeshView): MeshChange | undefined {
  const { running: _, ...values } = after.snapshot;
  const snapshot = changedFields(comparable(before.snapshot), comparable(after.snapshot), values);
  const running = changedRunning(before.snapshot.running, after.snapshot.running);
  const nodes = [...after.nodes].flatMap(([id, node]) => {
    const known = before.nodes.get(id);
    const changed = known ? changedFields(known, node, node) : node;
    return Object.keys(changed).length === 0 ? [] : [{ ...changed, id }];
  });
  const gone = [...before.nodes.keys()].filter((id) => !after.nodes.has(id));
  const dead = isDeepStrictEqual(before.dead, after.dead) ? null : after.dead;
  const isSame = Object.keys(snapshot).length + nodes.length + gone.length === 0 && running === null && dead === null;
  // The latency differs each time, and is not worth a message of its own.
  return isSame ? undefined : { snapshot: { ...snapshot, redis: values.redis }, running, nodes, gone, dead };
}

/** Everything, for a page that knows nothing yet. */
export function wholeOf({ snapshot: { running, ...snapshot }, nodes, dead }: MeshView): MeshChange {
  const all = { ids: running.map(({ id }) => id), changed: running };
  return { snapshot, running: all, nodes: [...nodes.values()], gone: [], dead };
}

function changedRunning(before: readonly RunningTask[], after: readonly RunningTask[]): MeshChange['running'] {
  const known = new Map(before.map((task) => [task.id, lasting(task)]));
  const changed = after.filter((task) => !isDeepStrictEqual(known.get(task.id), lasting(task)));
  const ids = after.map(({ id }) => id);
  const idsBefore = before.map(({ id }) => id);
  return changed.length === 0 && isDeepStrictEqual(idsBefore, ids) ? null : { ids, changed };
}

/** Without the time that passes by itself. */
function lasting({ elapsedMs: _, ...task }: RunningTask): object {
  return task;
}

/** Those of the values whose field differs between `before` and `after`. */
function changedFields<T extends object>(before: object, after: object, values: T): Partial<T> {
  const old = new Map(Object.entries(before));
  const names = Object.entries(after).flatMap(([name, value]) =>
    isDeepStrictEqual(old.get(name), value) ? [] : [name],
  );
  const changed = Object.entries(values).filter(([name]) => names.includes(name));
  return Object.fromEntries(changed) as Partial<T>;
}

/** The snapshot without values that differ at each read although nothing has happened. */
function comparable({ redis, running: _, oldestWaiting, ...rest }: Snapshot): object {
  return { ...rest, redis: redis.ok, oldestWaiting: oldestWaiting?.id };
}

function percents(share: number): number {
  return Math.round(share * 100) / 100;
}
