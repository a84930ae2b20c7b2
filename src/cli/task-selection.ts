import type { Command } from 'commander';
import type { Mesh } from '../client/mesh.ts';
import { counted } from '../domain/counted.ts';
import { ClawmeshError } from '../domain/errors.ts';
import { TASK_STATES, type TaskState } from '../domain/task-state.ts';
import type { SelectedTask } from '../queue/bullmq/task-lists.ts';
import { ask } from './ask.ts';
import type { Output } from './output.ts';
import { addTaskFilters, checkNames, TASK_FILTERS, type TaskFilterOptions, taskFilter } from './task-filter-options.ts';
import { TASK_ID_HINT } from './task-ids.ts';

/** Maximum number of tasks per command. */
const MOST_TASKS = 100_000;

/** The options that select tasks for a command that otherwise takes ids. */
export interface SelectionOptions extends TaskFilterOptions {
  allFailed?: boolean;
  yes?: boolean;
}

/** A command that steers tasks. */
export interface Steering {
  /** As in `nothing to <verb>`. */
  readonly verb: string;
  /** The states of the tasks that the command can steer. */
  readonly allowed: readonly TaskState[];
  /** The states that a filter without `--state` selects; all allowed ones if absent. */
  readonly selected?: readonly TaskState[];
  /** Only failed tasks without an acknowledgement. */
  readonly unacknowledged?: boolean;
}

/** Adds the ids and the options that select tasks instead. */
export function addSelection(command: Command, { allowed }: Steering): Command {
  command.argument('[id...]', TASK_ID_HINT);
  if (allowed.includes('failed')) command.option('--all-failed', 'apply to all failed tasks, without a question');
  return addTaskFilters(command).option('--yes', 'do not ask for confirmation before many tasks are changed');
}

/** Whether tasks are selected by options. @throws ClawmeshError `usage` unless there are either ids or such options. */
export function selectsByFilter(ids: readonly string[], options: SelectionOptions, { verb }: Steering): boolean {
  const filters = TASK_FILTERS.filter((name) => options[name] !== undefined).map((name) => `--${name}`);
  const given = [...(options.allFailed ? ['--all-failed'] : []), ...filters];
  if (ids.length > 0 && given.length > 0) {
    throw new ClawmeshError('usage', `task ids and ${given.join(', ')} can't be combined`, {
      remedy: 'give either task ids or options that select tasks',
    });
  }
  if (ids.length === 0 && given.length === 0) {
    throw new ClawmeshError('usage', `nothing to ${verb}`, {
      remedy: 'give task ids, or options that select tasks, such as --state or --since; see --help',
    });
  }
  return ids.length === 0;
}

/**
 * The tasks that the options select. Unless `--all-failed` or `--yes` is given, the user has to confirm their number.
 *
 * @throws ClawmeshError `usage` for states that the command can't steer, or if there is no one to ask; `not-found` for
 *   an unknown pool or node; `interrupted` if the user declines.
 */
export async function selectTasks(
  mesh: Mesh,
  out: Output,
  options: SelectionOptions,
  steering: Steering,
): Promise<SelectedTask[]> {
  const { allFailed, yes, ...filters } = options;
  const state = statesToSelect(options, steering);
  const filter = await taskFilter(mesh, filters);
  const tasks = await mesh.task.select({
    ...filter,
    state,
    unacknowledged: steering.unacknowledged,
    limit: MOST_TASKS,
  });
  if (tasks.length === 0) {
    await checkNames(mesh, options);
    out.note(`no matching ${state.length === 1 ? `${state[0]} ` : ''}tasks`);
  }
  if (tasks.length === MOST_TASKS) {
    out.note(`only the newest ${MOST_TASKS} tasks were selected; run the command again for the rest`);
  }
  if (tasks.length > 0 && !allFailed && !yes) await confirm(tasks, steering.verb);
  return tasks;
}

function statesToSelect({ state, allFailed }: SelectionOptions, steering: Steering): readonly TaskState[] {
  if (allFailed && state) {
    throw new ClawmeshError('usage', "--all-failed and --state can't be combined", { remedy: 'give one of them' });
  }
  if (allFailed) return ['failed'];
  const { allowed, selected = allowed, verb } = steering;
  const wrong = state?.find((one) => !allowed.includes(one));
  if (wrong !== undefined) {
    throw new ClawmeshError('usage', `--state: can't ${verb} ${wrong} tasks`, {
      remedy: `states to select: ${allowed.join(', ')}`,
    });
  }
  return state ?? selected;
}

async function confirm(tasks: readonly SelectedTask[], verb: string): Promise<void> {
  const counts = TASK_STATES.map((state) => [tasks.filter((task) => task.state === state).length, state] as const);
  const states = counts.flatMap(([count, state]) => (count > 0 ? [`${count} ${state}`] : []));
  const what = `${verb} ${counted(tasks.length, 'task')} (${states.join(', ')})`;
  const yes = await ask(`${what}?`, { problem: `can't ask whether to ${what}`, remedy: `add --yes to ${verb} them` });
  if (!yes) throw new ClawmeshError('interrupted', 'nothing was changed');
}
