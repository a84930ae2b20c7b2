import type { Mesh } from '../../client/mesh.ts';
import { counted } from '../../domain/counted.ts';
import type { Node } from '../../domain/node.ts';
import { isThere } from '../../domain/node-state.ts';
import type { Task } from '../../domain/task.ts';
import { allows } from '../../domain/task-state.ts';
import { cancelReason } from '../context.ts';
import { type Item, type Section, shortId } from './sections.ts';

/** A key of a section. */
interface SectionKey {
  readonly key: string;
  /** For the last line of the screen. */
  readonly hint: string;
  /** For the help. */
  readonly help: string;
}

/** The keys of each section. */
export const KEYS: Readonly<Record<Section, readonly SectionKey[]>> = {
  problems: [{ key: 'Enter', hint: 'details', help: 'show the whole problem and its remedy' }],
  pools: [
    { key: 'p', hint: 'pause', help: 'pause the pool in the whole mesh, or resume it' },
    { key: 'Enter', hint: 'details', help: 'show the counts and the nodes of the pool' },
  ],
  nodes: [
    { key: 'd', hint: 'drain', help: 'let the node claim no more tasks' },
    { key: 'r', hint: 'resume', help: 'let it claim tasks again' },
    { key: 'p', hint: 'pause', help: 'drain the node, or resume it if it is draining' },
    { key: 'e', hint: 'evict', help: 'declare it dead; other nodes take over its tasks' },
    { key: 'Enter', hint: 'details', help: 'show the gates and the tasks of the node' },
  ],
  tasks: [
    { key: 'Enter', hint: 'log', help: 'show the task, its history and its log' },
    { key: 'c', hint: 'cancel', help: 'cancel the task, even if it runs' },
    { key: 'r', hint: 'retry', help: 'queue a failed or cancelled task again' },
  ],
  handovers: [{ key: 'Enter', hint: 'log', help: 'show the task, its history and its log' }],
};

/** An action that requires the user's confirmation. */
export interface Question {
  readonly text: string;
  /** Does it. @returns what was done, for people. */
  readonly act: () => Promise<string>;
}

/** The action of this key; undefined if it has none here. */
export function questionFor(mesh: Mesh, key: string, item: Item | undefined): Question | undefined {
  switch (item?.section) {
    case 'pools':
      return key === 'p' ? pauseOf(mesh, item.pool) : undefined;
    case 'nodes':
      return nodeAction(mesh, key, item.node);
    case 'tasks':
      return taskAction(mesh, key, item.task);
    default:
      return undefined;
  }
}

function pauseOf(mesh: Mesh, { name, paused }: { readonly name: string; readonly paused: boolean }): Question {
  if (paused) {
    return {
      text: `resume pool ${name}?`,
      act: async () => {
        await mesh.pool.resume(name);
        return `pool ${name} is resumed`;
      },
    };
  }
  return {
    text: `pause pool ${name} in the whole mesh?`,
    act: async () => {
      await mesh.pool.pause(name);
      return `pool ${name} is paused; running tasks continue`;
    },
  };
}

function nodeAction(mesh: Mesh, key: string, { id, state, running }: Node): Question | undefined {
  const steering = key === 'p' ? (state === 'draining' ? 'r' : 'd') : key;
  switch (steering) {
    case 'd':
      return {
        text: `drain ${id}?`,
        act: async () => {
          await mesh.node.drain(id);
          return `${id} claims no more tasks`;
        },
      };
    case 'r':
      return {
        text: `resume ${id}?`,
        act: async () => {
          await mesh.node.resume(id);
          return `${id} is resumed`;
        },
      };
    case 'e': {
      if (!isThere(state)) return undefined;
      const tasks = running.length === 0 ? '' : ` It runs ${counted(running.length, 'task')}.`;
      return {
        text: `declare ${id} dead?${tasks}`,
        act: async () => {
          const { length } = await mesh.node.evict(id);
          return `${id} is declared dead; ${counted(length, 'task')} ${length === 1 ? 'was' : 'were'} requeued`;
        },
      };
    }
    default:
      return undefined;
  }
}

function taskAction(mesh: Mesh, key: string, { id, state }: Task): Question | undefined {
  if (key === 'c' && allows(state, 'cancel')) {
    return {
      text: `cancel ${shortId(id)}?`,
      act: async () => `${shortId(id)}: ${await mesh.task.cancel(id, await cancelReason())}`,
    };
  }
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
