import { type Command, InvalidArgumentError } from 'commander';
import type { Mesh } from '../client/mesh.ts';
import { ERROR_KINDS, type ErrorKind } from '../domain/error-kind.ts';
import { ClawmeshError } from '../domain/errors.ts';
import { TASK_STATES, type TaskState } from '../domain/task-state.ts';
import { formatDuration } from '../domain/units.ts';
import type { TaskFilter } from '../queue/task-filter.ts';
import { choiceOption, durationOption, poolOption, tagOption } from './options.ts';

/** The options that select tasks. */
export interface TaskFilterOptions {
  state?: TaskState[];
  pool?: string;
  node?: string;
  tag?: Record<string, string>;
  kind?: ErrorKind;
  text?: string;
  /** ms. */
  since?: number;
  /** ms. */
  until?: number;
}

/** The names of these options, as attributes of commander. */
export const TASK_FILTERS = ['state', 'pool', 'node', 'tag', 'kind', 'text', 'since', 'until'] as const;

/** Adds the options that select tasks, to every command that lists tasks or steers many of them. */
export function addTaskFilters(command: Command): Command {
  return command
    .option(
      '--state <states>',
      `only tasks in these states: ${TASK_STATES.join(', ')}; separated by commas`,
      statesOption(),
    )
    .option('--pool <pool>', 'only tasks of this pool', poolOption)
    .option('--node <id>', 'only tasks that run on this node or last ran there')
    .option('--tag <name=value>', 'only tasks with this tag; repeatable', tagOption)
    .option('--kind <kind>', `only tasks with this kind of error: ${ERROR_KINDS.join(', ')}`, choiceOption(ERROR_KINDS))
    .option('--text <words>', 'only tasks with all these words in the message', textOption)
    .option(
      '--since <duration>',
      'only tasks that ended in the last <duration>, or were enqueued in it and have not ended',
      durationOption,
    )
    .option(
      '--until <duration>',
      'the opposite of --since: only tasks from before the last <duration>',
      durationOption,
    );
}

/** One or more states, separated by commas; the option may be repeated. */
function statesOption() {
  const state = choiceOption(TASK_STATES);
  const parse = (text: string, states: TaskState[] = []): TaskState[] => [...states, ...text.split(',').map(state)];
  return Object.assign(parse, { choices: TASK_STATES });
}

function textOption(text: string): string {
  if (text.trim() === '') throw new InvalidArgumentError('Expected one or more words.');
  return text.trim();
}

/** The filter for these options. @throws ClawmeshError `usage` if no time fits --since and --until. */
export async function taskFilter(mesh: Mesh, options: TaskFilterOptions): Promise<Partial<TaskFilter>> {
  const { tag, since, until, ...same } = options;
  if (since !== undefined && until !== undefined && since <= until) {
    const [from, to] = [formatDuration(since), formatDuration(until)];
    throw new ClawmeshError('usage', `no task is from the last ${from} and from before the last ${to}`, {
      remedy: '--since must be longer than --until',
    });
  }
  const now = since === undefined && until === undefined ? 0 : await mesh.server.time();
  return {
    ...same,
    tags: tag,
    since: since === undefined ? undefined : now - since,
    until: until === undefined ? undefined : now - until,
  };
}

/** Checks the names in a filter that matches nothing: mostly a typo. @throws ClawmeshError `not-found`. */
export async function checkNames(mesh: Mesh, { pool, node }: Pick<TaskFilterOptions, 'pool' | 'node'>): Promise<void> {
  if (pool !== undefined) await mesh.pool.check(pool);
  if (node !== undefined) await mesh.task.checkNode(node);
}
