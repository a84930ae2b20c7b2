import { ClawmeshError } from '../domain/errors.ts';
import { TASK_ID } from '../domain/ids.ts';
import { asTyped } from '../domain/not-found.ts';
import type { TaskRef } from '../domain/task.ts';
import type { IdPattern } from '../queue/bullmq/task-ids.ts';
import type { TaskReader } from '../queue/bullmq/task-reader.ts';

/** Fewer characters of an id are taken for a typo. */
const LEAST_CHARACTERS = 4;
/** Maximum number of tasks to name if several fit. */
const MOST_NAMED = 5;

/**
 * The id of the task that a person means: an id in any case, its beginning, or `beginning…end`, as tables show long
 * ids. Returns the text itself if it fits no task.
 *
 * @throws ClawmeshError `usage` if it fits several tasks.
 */
export async function resolveTask(reader: TaskReader, text: string): Promise<string> {
  // Programs give complete ids; they need no search.
  if (TASK_ID.test(text)) return text;
  const lower = text.toLowerCase();
  for (const id of new Set([text, lower])) {
    if (await reader.find(id)) return id;
  }
  // Ids of other BullMQ programs may contain upper case.
  for (const candidate of new Set([lower, text])) {
    const pattern = patternOf(candidate);
    if (pattern.beginning.length + pattern.ending.length < LEAST_CHARACTERS) continue;
    const found = await reader.matching(pattern, MOST_NAMED + 1);
    if (found.length > 1) throw await ambiguous(text, reader, found);
    if (found[0]) return found[0].id;
  }
  return text;
}

function patternOf(text: string): IdPattern {
  const [, beginning, ending] = /^(.*?)(?:…|\.{3})(.*)$/.exec(text) ?? [];
  return { beginning: beginning ?? text, ending: ending ?? '' };
}

async function ambiguous(text: string, reader: TaskReader, found: readonly TaskRef[]): Promise<ClawmeshError> {
  const named = found.slice(0, MOST_NAMED);
  const states = await reader.states(named);
  const tasks = named.map(({ id }, index) => `${id} (${states[index] ?? 'removed'})`).join(', ');
  const more = found.length > MOST_NAMED ? ' and more' : '';
  return new ClawmeshError('usage', `${asTyped(text)} fits several tasks: ${tasks}${more}`, {
    remedy: 'give more characters of the id',
  });
}
