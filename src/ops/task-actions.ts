import type { Mesh } from '../client/mesh.ts';
import { ClawmeshError, messageOf } from '../domain/errors.ts';

/** The outcome of steering tasks, as `task cancel --json` prints it. */
export interface SteeredTasks {
  /** The tasks for which the action succeeded. */
  readonly tasks: readonly { readonly id: string; readonly outcome: string }[];
  /** One message for each task for which it failed. */
  readonly errors: readonly string[];
}

/** What an operator can do with a task. Each action returns what has happened, for people. */
export const TASK_ACTIONS = {
  cancel: async (mesh, id) => {
    const state = await mesh.task.cancel(id, 'cancelled on the dashboard');
    return state === 'cancelled' ? state : 'will end as soon as its node stops it, or is declared dead';
  },
  retry: async (mesh, id) => {
    await mesh.task.retry(id);
    return 'queued again';
  },
  ack: async (mesh, id) => {
    await mesh.task.acknowledge(id);
    return 'acknowledged';
  },
  remove: async (mesh, id) => {
    await mesh.task.remove(id);
    return 'removed';
  },
} as const satisfies Readonly<Record<string, (mesh: Pick<Mesh, 'task'>, id: string) => Promise<string>>>;

export type TaskAction = keyof typeof TASK_ACTIONS;

/** Applies the action to each task. An error in one does not stop the others. */
export async function steerTasks(
  mesh: Pick<Mesh, 'task'>,
  action: TaskAction,
  ids: readonly string[],
): Promise<SteeredTasks> {
  const wanted = [...new Set(ids)];
  const results = await Promise.allSettled(wanted.map((id) => TASK_ACTIONS[action](mesh, id)));
  const tasks: { id: string; outcome: string }[] = [];
  const errors: string[] = [];
  for (const [index, result] of results.entries()) {
    if (result.status === 'fulfilled') tasks.push({ id: wanted[index] as string, outcome: result.value });
    else if (result.reason instanceof ClawmeshError) errors.push(messageOf(result.reason));
    else throw result.reason;
  }
  return { tasks, errors };
}
