import type { Handover } from '../../domain/handover.ts';
import type { Node } from '../../domain/node.ts';
import type { PoolCounts } from '../../domain/pool-counts.ts';
import type { Task } from '../../domain/task.ts';
import { humanDuration } from '../../domain/units.ts';
import { MARKS } from '../../ops/problems.ts';
import type { Snapshot } from '../../ops/snapshot.ts';
import { loadBar } from '../load-bar.ts';
import { ago } from '../output.ts';
import type { Column } from './columns.ts';
import type { View } from './top-state.ts';

/** From top to bottom. Without problems, the first one is left out. */
export const SECTIONS = ['problems', 'pools', 'nodes', 'tasks', 'handovers'] as const;
export type Section = (typeof SECTIONS)[number];

/** One line of a section. */
export type Item =
  | { readonly section: 'problems'; readonly problem: Snapshot['problems'][number] }
  | { readonly section: 'pools'; readonly pool: PoolCounts & { readonly name: string } }
  | { readonly section: 'nodes'; readonly node: Node }
  | { readonly section: 'tasks'; readonly task: Task }
  | { readonly section: 'handovers'; readonly handover: Handover };

/** Columns with `minTerminal` are of little use to a person in a hurry, and other commands show them, too. */
export const COLUMNS: Readonly<Record<Section, readonly Column[]>> = {
  problems: [{ title: 'PROBLEM', width: 0 }],
  pools: [
    { title: 'POOL', width: 16 },
    { title: 'STATE', width: 6 },
    { title: 'WAITING', width: 7 },
    { title: 'ACTIVE', width: 6 },
    { title: 'DELAYED', width: 7 },
    { title: 'FAILED', width: 6 },
    { title: 'COMPLETED', width: 0, minTerminal: 72 },
  ],
  nodes: [
    { title: 'NODE', width: 16 },
    { title: 'STATE', width: 8 },
    { title: 'RUNNING', width: 12 },
    { title: 'HEARTBEAT', width: 10, minTerminal: 72 },
    { title: 'GATES', width: 0 },
  ],
  tasks: [
    { title: 'TASK', width: 10 },
    { title: 'STATE', width: 9 },
    { title: 'NODE', width: 12 },
    { title: 'FOR', width: 7 },
    { title: 'TOKENS', width: 6, minTerminal: 72 },
    { title: 'MESSAGE', width: 0 },
  ],
  handovers: [
    { title: 'HANDOVER', width: 10 },
    { title: 'TASK', width: 10, minTerminal: 72 },
    { title: 'FROM', width: 12 },
    { title: 'TO', width: 12 },
    { title: 'REASON', width: 0 },
  ],
};

/** The items of each section; the filter applies to tasks. */
export function listsOf(view: View, filter: string): Readonly<Record<Section, readonly Item[]>> {
  const words = filter.toLowerCase().split(' ').filter(Boolean);
  const matches = ({ id, state, pool, node, agent, message }: Task) => {
    const text = [id, state, pool, node, agent, message].join(' ').toLowerCase();
    return words.every((word) => text.includes(word));
  };
  const { problems, pools, handovers } = view.snapshot;
  return {
    problems: problems.map((problem) => ({ section: 'problems', problem })),
    pools: Object.entries(pools).map(([name, counts]) => ({ section: 'pools', pool: { name, ...counts } })),
    nodes: view.nodes.filter(({ state }) => state !== 'stopped').map((node) => ({ section: 'nodes', node })),
    tasks: view.tasks.filter(matches).map((task) => ({ section: 'tasks', task })),
    handovers: handovers.map((handover) => ({ section: 'handovers', handover })),
  };
}

/** Identifies an item within its section. */
export function keyOf(item: Item): string {
  switch (item.section) {
    case 'problems':
      return item.problem.what;
    case 'pools':
      return item.pool.name;
    case 'nodes':
      return item.node.id;
    case 'tasks':
      return item.task.id;
    case 'handovers':
      return `${item.handover.taskId} ${item.handover.at}`;
  }
}

/** The cells of an item's line. */
export function cellsOf(item: Item): string[] {
  switch (item.section) {
    case 'problems': {
      const { severity, what, fix } = item.problem;
      return [`${MARKS[severity]} ${what} → ${fix}`];
    }
    case 'pools': {
      const { name, paused, waiting, active, delayed, failed, completed } = item.pool;
      return [name, paused ? 'paused' : 'open', ...[waiting, active, delayed, failed, completed].map(String)];
    }
    case 'nodes': {
      const { node } = item;
      const closed = node.gates.filter(({ open }) => !open).map(({ name, reason }) => `${name}: ${reason}`);
      return [node.id, node.state, loadBar(node), beatAge(node), closed.join('; ')];
    }
    case 'tasks': {
      const { id, state, node, startedAt, enqueuedAt, finishedAt, progress, message } = item.task;
      const since = Date.parse(startedAt ?? enqueuedAt);
      const length = humanDuration(Math.max(0, (finishedAt ? Date.parse(finishedAt) : Date.now()) - since));
      const tokens = progress?.tokens ?? null;
      return [shortId(id), state, node ?? '-', length, tokens === null ? '-' : String(tokens), message];
    }
    case 'handovers': {
      const { at, taskId, from, to, reason, takeoverMs } = item.handover;
      const took = takeoverMs === null ? 'not claimed yet' : `claimed after ${humanDuration(takeoverMs)}`;
      return [ago(at), shortId(taskId), from, to ?? '-', `${reason}, ${took}`];
    }
  }
}

/** Time since the last heartbeat of a node, for people. */
export function beatAge({ heartbeatAgeMs }: Node): string {
  return heartbeatAgeMs === null ? '-' : humanDuration(heartbeatAgeMs);
}

/** The end of a task id, which differs most. */
export function shortId(id: string): string {
  return `…${id.slice(-9)}`;
}
