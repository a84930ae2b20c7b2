import * as z from 'zod';
import { counted } from '../../domain/counted.ts';
import { cutText } from '../../domain/cut-text.ts';
import { onOneLine } from '../../domain/errors.ts';
import type { Node } from '../../domain/node.ts';
import { humanDuration } from '../../domain/units.ts';
import { type Snapshot, takeSnapshot } from '../snapshot.ts';
import { bounded } from './bounds.ts';
import { defineTool } from './tool.ts';

const BOUNDS = { characters: 500, entries: 50 };
/** Running tasks in the text. */
const MOST_RUNNING = 10;

export const statusTool = defineTool({
  name: 'mesh_status',
  title: 'Show the state of the mesh',
  description:
    'Shows the whole mesh: nodes with their pools and labels, tasks by pool and state, running tasks, recent handovers, ' +
    'and problems with their remedies. Use it before you choose a pool or a node, and to see why tasks do not run.',
  effect: 'reads',
  input: z.strictObject({}),
  run: async (_, { connection, clock }) => {
    const { snapshot, nodes } = await connection.runIdempotent((mesh) => takeSnapshot(mesh, clock));
    const { document, cut } = bounded({ ...snapshot, nodeList: nodes.map(listed) }, BOUNDS);
    const rest = cut.length > 0 ? [...cut, 'for the rest: clawmesh status --json, clawmesh node list --json'] : [];
    return { text: statusText(document, rest), document: { ...document, cut: rest } };
  },
});

/** What a caller needs to choose a node. */
type ListedNode = Pick<Node, 'id' | 'state' | 'pools' | 'labels'> & {
  /** Why it claims no tasks; null if it does. */
  readonly reason: string | null;
};

function listed({ id, state, pools, labels, gates }: Node): ListedNode {
  return { id, state, pools, labels, reason: gates.find(({ open }) => !open)?.reason ?? null };
}

function statusText(
  { mesh, nodes, nodeList, pools, problems, running, moreRunning }: Snapshot & { nodeList: readonly ListedNode[] },
  cut: readonly string[],
): string {
  const { up, gated, draining, dead } = nodes;
  const lines = [`mesh ${mesh}; nodes: ${up} up, ${gated} gated, ${draining} draining, ${dead} dead`];
  lines.push(...problems.map(({ severity, what, fix }) => `${severity}: ${what} → ${fix}`));
  lines.push(...nodeList.map(nodeLine));
  for (const [pool, { waiting, active, delayed, completed, failed, paused }] of Object.entries(pools)) {
    const counts = `${waiting} waiting, ${active} active, ${delayed} delayed, ${completed} completed, ${failed} failed`;
    lines.push(`pool ${pool}${paused ? ' (paused)' : ''}: ${counts}`);
  }
  for (const { id, node, elapsedMs, message } of running.slice(0, MOST_RUNNING)) {
    lines.push(`running: ${id} on ${node} for ${humanDuration(elapsedMs)}: ${cutText(onOneLine(message), 80)}`);
  }
  const more = moreRunning + Math.max(0, running.length - MOST_RUNNING);
  if (more > 0) lines.push(`${counted(more, 'more running task')}; see mesh_list with state: active`);
  if (cut.length > 0) lines.push(`[cut: ${cut.join('; ')}]`);
  return lines.join('\n');
}

function nodeLine({ id, state, pools, labels, reason }: ListedNode): string {
  const slots = Object.entries(pools).map(([pool, { running, concurrency }]) => `${pool} ${running}/${concurrency}`);
  const tags = Object.entries(labels).map(([name, value]) => `${name}=${value}`);
  const parts = [`node ${id}: ${state}`, slots.join(', '), tags.join(' '), reason ?? ''];
  return parts.filter((part) => part !== '').join(' · ');
}
