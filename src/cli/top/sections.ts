import type { Mesh } from '../../client/mesh.ts';
import type { Handover } from '../../domain/handover.ts';
import type { Node } from '../../domain/node.ts';
import type { Task } from '../../domain/task.ts';
import { allows } from '../../domain/task-state.ts';
import { humanDuration } from '../../domain/units.ts';
import { cancelReason } from '../context.ts';
import { loadBar } from '../load-bar.ts';
import { ago } from '../output.ts';
import type { Column } from './columns.ts';
import type { View } from './top-state.ts';

export const SECTIONS = ['nodes', 'tasks', 'handovers'] as const;
export type Section = (typeof SECTIONS)[number];

/** The keys of each section. */
export const KEYS: Readonly<Record<Section, string>> = {
  nodes: 'd drain · r resume',
  tasks: 'Enter log · c cancel · r retry',
  handovers: 'Enter log',
};

export type Item = Node | Task | Handover;

/** An action that requires the user's confirmation. */
export interface Question {
  readonly text: string;
  readonly act: () => Promise<string>;
}

export const COLUMNS: Readonly<Record<Section, readonly Column[]>> = {
  nodes: [
    ['NODE', 16],
    ['STATE', 8],
    ['RUNNING', 12],
    ['HEARTBEAT', 10],
    ['GATES', 0],
  ],
  tasks: [
    ['TASK', 10],
    ['STATE', 9],
    ['NODE', 12],
    ['FOR', 7],
    ['TOKENS', 6],
    ['MESSAGE', 0],
  ],
  handovers: [
    ['HANDOVER', 10],
    ['TASK', 10],
    ['FROM', 12],
    ['TO', 12],
    ['REASON', 0],
  ],
};

/** The items of each section; the filter applies to tasks. */
export function listsOf(
  view: View | undefined,
  filter: string,
): { nodes: Node[]; tasks: Task[]; handovers: Handover[] } {
  if (!view) return { nodes: [], tasks: [], handovers: [] };
  const words = filter.toLowerCase().split(' ').filter(Boolean);
  const matches = (...texts: (string | null)[]) => {
    const text = texts.join(' ').toLowerCase();
    return words.every((word) => text.includes(word));
  };
  return {
    nodes: view.nodes.filter(({ state }) => state !== 'stopped'),
    tasks: view.tasks.filter(({ id, state, pool, node, agent, message }) =>
      matches(id, state, pool, node, agent, message),
    ),
    handovers: [...view.snapshot.handovers],
  };
}

/** Identifies an item within its section. */
export function keyOf(item: Item): string {
  return 'taskId' in item ? `${item.taskId} ${item.at}` : item.id;
}

/** One line of a section. */
export function lineOf(section: Section, item: Item): { cells: string[]; state: string } {
  if (section === 'nodes') {
    const node = item as Node;
    const closed = node.gates.filter(({ open }) => !open).map(({ name, reason }) => `${name}: ${reason}`);
    const beat = node.heartbeatAgeMs === null ? '-' : humanDuration(node.heartbeatAgeMs);
    return { state: node.state, cells: [node.id, node.state, loadBar(node), beat, closed.join('; ')] };
  }
  if (section === 'tasks') {
    const { id, state, node, startedAt, enqueuedAt, finishedAt, progress, message } = item as Task;
    const since = Date.parse(startedAt ?? enqueuedAt);
    const length = humanDuration(Math.max(0, (finishedAt ? Date.parse(finishedAt) : Date.now()) - since));
    const tokens = progress?.tokens ?? null;
    return {
      state,
      cells: [shortId(id), state, node ?? '-', length, tokens === null ? '-' : String(tokens), message],
    };
  }
  const { at, taskId, from, to, reason, takeoverMs } = item as Handover;
  const took = takeoverMs === null ? 'not claimed yet' : `claimed after ${humanDuration(takeoverMs)}`;
  return {
    state: '',
    cells: [ago(at), shortId(taskId), from, to ?? '-', `${reason}, ${took}`],
  };
}

function shortId(id: string): string {
  return `…${id.slice(-9)}`;
}

/** The task of an item. */
export function taskOf(section: Section, item: Item | undefined): string | undefined {
  if (!item || section === 'nodes') return undefined;
  return section === 'tasks' ? (item as Task).id : (item as Handover).taskId;
}

/** The action of this key; undefined if it has none here. */
export function questionFor(mesh: Mesh, key: string, section: Section, item: Item | undefined): Question | undefined {
  if (!item || section === 'handovers') return undefined;
  if (section === 'nodes') {
    const { id } = item as Node;
    const steer = (wanted: 'drain' | 'resume', done: string) => async () => {
      await mesh.node[wanted](id);
      return done;
    };
    if (key === 'd') return { text: `drain ${id}?`, act: steer('drain', `${id} claims no more tasks`) };
    if (key === 'r') return { text: `resume ${id}?`, act: steer('resume', `${id} is resumed`) };
    return undefined;
  }
  const { id, state } = item as Task;
  if (key === 'c' && allows(state, 'cancel'))
    return {
      text: `cancel ${shortId(id)}?`,
      act: async () => `${shortId(id)}: ${await mesh.task.cancel(id, await cancelReason())}`,
    };
  if (key === 'r' && allows(state, 'retry')) {
    return {
      text: `queue ${shortId(id)} again?`,
      act: async () => {
        await mesh.task.retry(id);
        return `${shortId(id)} is queued again`;
      },
    };
  }
  return undefined;
}
