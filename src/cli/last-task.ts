import { readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { stateFile } from '../config/state-files.ts';
import { ClawmeshError } from '../domain/errors.ts';
import { TASK_ID } from '../domain/ids.ts';
import { makeFolder } from '../platform/make-folder.ts';

/** Notes the task as the last one. The task is queued, so a file that can't be written changes nothing. */
export async function noteLastTask(mesh: string, id: string | undefined): Promise<void> {
  if (id === undefined) return;
  try {
    const file = stateFile('lastTask', { mesh }, process.env);
    await makeFolder(dirname(file));
    // Another command may read or write the file at this moment.
    const mine = `${file}.${process.pid}`;
    await writeFile(mine, `${id}\n`, { mode: 0o600 });
    await rename(mine, file);
  } catch {
    // `@last` then names an earlier task, or none.
  }
}

/** The id of the last task. @throws ClawmeshError `not-found` if there is none. */
export async function lastTask(mesh: string): Promise<string> {
  const text = await readFile(stateFile('lastTask', { mesh }, process.env), 'utf8').catch(() => '');
  if (TASK_ID.test(text.trim())) return text.trim();
  throw new ClawmeshError('not-found', `@last: this user has enqueued no task in mesh ${mesh} from this machine`, {
    remedy: 'see clawmesh task list',
  });
}
