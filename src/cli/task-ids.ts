import type { Command } from 'commander';
import type { Mesh } from '../client/mesh.ts';
import { TASK_ID } from '../domain/ids.ts';
import { withMesh } from './context.ts';

/** Names the last task that this user has enqueued in the mesh from this machine. */
const LAST = '@last';

/** The description of an argument that takes a task id. */
export const TASK_ID_HINT = `task id, or its first characters; ${LAST} is the last task that you enqueued from here`;

/**
 * The ids that the user means by ids, their beginnings or `@last`, each once. A text that fits no task is returned
 * unchanged.
 *
 * @throws ClawmeshError `usage` if a text fits several tasks; `not-found` if there is no last task.
 */
export async function taskIds(mesh: Mesh, texts: readonly string[]): Promise<string[]> {
  const ids = new Set<string>();
  for (const text of texts) ids.add(await taskId(mesh, text));
  return [...ids];
}

/** As {@link taskIds}, for one text. */
export async function taskId(mesh: Mesh, text: string): Promise<string> {
  if (text !== LAST) return mesh.task.resolve(text);
  const { lastTask } = await import('./last-task.ts');
  return lastTask(mesh.config.mesh);
}

/**
 * The id for each of these texts, for a command that has no connection yet; it connects only if a text is no complete
 * id.
 *
 * @throws ClawmeshError as {@link taskIds}, and `not-found` for a text that fits no task.
 */
export async function completeIds(command: Command, texts: readonly string[]): Promise<ReadonlyMap<string, string>> {
  if (texts.every((text) => TASK_ID.test(text))) return new Map(texts.map((text) => [text, text]));
  return withMesh(command, async (mesh) => {
    const ids = new Map<string, string>();
    for (const text of texts) ids.set(text, (await mesh.task.existing(await taskId(mesh, text))).id);
    return ids;
  });
}
