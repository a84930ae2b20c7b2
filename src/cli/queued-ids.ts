import { counted } from '../domain/counted.ts';
import { ClawmeshError } from '../domain/errors.ts';
import { outputIsUnread } from './streams.ts';

/** Maximum number of ids in an error. */
export const MOST_NAMED = 10;

/**
 * Checks that stdout still had a reader when the ids of queued tasks were printed. Otherwise they go to stderr as an
 * error, since a script that does not know its tasks would queue them again.
 *
 * @param ids the ids, at least the first {@link MOST_NAMED}
 * @throws ClawmeshError `failed` with the first ids.
 */
export async function checkIdsWereRead(ids: readonly string[], count = ids.length): Promise<void> {
  if (count === 0 || !(await outputIsUnread())) return;
  const more = count > MOST_NAMED ? ` and ${count - MOST_NAMED} more` : '';
  const tasks = count === 1 ? 'the task is' : `${counted(count, 'task')} are`;
  throw new ClawmeshError(
    'failed',
    `stdout was closed, but ${tasks} queued: ${ids.slice(0, MOST_NAMED).join(' ')}${more}`,
    { remedy: 'do not enqueue again; see clawmesh task list' },
  );
}
