import type { Command } from 'commander';
import { counted, listed } from '../domain/counted.ts';
import { ClawmeshError } from '../domain/errors.ts';
import type { NewTask } from '../domain/task.ts';
import { type DryRun, dryRun } from '../ops/dry-run.ts';
import { checkDefaults, type TaskDefaults } from '../queue/new-task.ts';
import { outputOf, withMesh } from './context.ts';
import { TaskFile } from './task-source.ts';

/** Maximum number of tasks of a file to look up; all lines are checked. */
const MOST_TASKS = 100;

/** Says where a task would run now, or why it would wait, and queues nothing. */
export async function dryRunTask(command: Command, task: NewTask): Promise<void> {
  await tell(command, [task], 1);
}

/** Checks all lines of a file of tasks, and says of the first ones where they would run now. Queues nothing. */
export async function dryRunFile(command: Command, path: string, defaults: TaskDefaults): Promise<void> {
  const wrong = checkDefaults(defaults.fields ?? {});
  if (wrong.length > 0) throw new ClawmeshError('usage', wrong.join('; '), { remedy: 'nothing was queued' });
  const file = await TaskFile.open(path, defaults);
  try {
    const { count } = await file.check();
    const first: NewTask[] = [];
    for await (const batch of file.tasks()) {
      first.push(...batch.slice(0, MOST_TASKS - first.length));
      if (first.length === MOST_TASKS) break;
    }
    await tell(command, first, count);
  } finally {
    await file.close();
  }
}

async function tell(command: Command, tasks: readonly NewTask[], count: number): Promise<void> {
  const out = outputOf(command);
  await withMesh(command, async (mesh) => {
    const found: DryRun[] = [];
    for (const task of tasks) found.push(await dryRun(mesh, task));
    if (out.json) return out.document<'enqueue --dry-run'>({ tasks: found, count });
    for (const [text, { length }] of Map.groupBy(found, words)) out.line(length === 1 ? text : `${length} × ${text}`);
    const more = count > found.length ? `, ${found.length} of which were looked up` : '';
    out.note(`${counted(count, 'task')} ${count === 1 ? 'is' : 'are'} valid${more}; nothing was queued`);
  });
}

function words({ pool, nodes, waits, fix, duplicateOf }: DryRun): string {
  if (duplicateOf !== null) return `pool ${pool}: would queue nothing: ${waits}`;
  if (waits === null) return `pool ${pool}: would run now on ${listed(nodes)}`;
  return `pool ${pool}: would wait: ${waits}${fix === null ? '' : ` (${fix})`}`;
}
