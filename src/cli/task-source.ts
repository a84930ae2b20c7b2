import { readFileSync } from 'node:fs';
import { text as readAll } from 'node:stream/consumers';
import { ClawmeshError, messageOf } from '../domain/errors.ts';
import type { NewTask } from '../domain/task.ts';
import { parseNewTask } from '../queue/new-task.ts';

/** A file's text, or standard input's for `-`. @throws ClawmeshError `usage`. */
export async function readSource(file: string): Promise<string> {
  if (file === '-') return readAll(process.stdin);
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new ClawmeshError('usage', `${file} can't be read: ${messageOf(error)}`, { cause: error });
  }
}

/** How many of a file's problems are told at once. */
const MAX_PROBLEMS = 5;

/**
 * The tasks of a JSON Lines text, one object per line, blank lines left out.
 *
 * @throws ClawmeshError `usage`, where any line has a problem, with file and line number of the first few.
 */
export function parseTaskLines(text: string, file: string, defaults: { attempts: number }): NewTask[] {
  const tasks: NewTask[] = [];
  const problems: string[] = [];
  const label = file === '-' ? 'standard input' : file;
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    const task = parseLine(line, defaults);
    if ('problems' in task) problems.push(...task.problems.map((problem) => `${label}:${index + 1}: ${problem}`));
    else tasks.push(task);
  }
  if (problems.length > 0) {
    const more = problems.length - MAX_PROBLEMS;
    const shown = [...problems.slice(0, MAX_PROBLEMS), ...(more > 0 ? [`and ${more} more`] : [])];
    throw new ClawmeshError('usage', shown.join('\n'), { remedy: 'nothing was queued' });
  }
  if (tasks.length === 0)
    throw new ClawmeshError('usage', `${label} has no tasks`, { remedy: 'one JSON object per line' });
  return tasks;
}

function parseLine(line: string, defaults: { attempts: number }): NewTask | { problems: string[] } {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    return { problems: [`not valid JSON: ${messageOf(error)}`] };
  }
  return parseNewTask(value, defaults);
}
