import type { Command } from 'commander';
import type { Mesh } from '../../client/mesh.ts';
import type { Cancelled } from '../../client/tasks.ts';
import { ERROR_KINDS, type ErrorKind } from '../../domain/error-kind.ts';
import { ClawmeshError, hasCode, messageOf } from '../../domain/errors.ts';
import { statesBefore } from '../../domain/task-state.ts';
import type { TaskFilter } from '../../queue/task-filter.ts';
import { cancelReason, outputOf, withMesh } from '../context.ts';
import { example } from '../help.ts';
import { choiceOption, durationOption } from '../options.ts';
import type { Output } from '../output.ts';

/** Number of tasks to steer at once: stopping fifty runs then takes no longer than stopping one. */
const AT_ONCE = 50;
/** Maximum number of failed tasks per `--all-failed`. */
const ALL_LIMIT = 100_000;

/** `task cancel | retry | ack | remove`. */
export function addSteeringCommands(task: Command): void {
  task
    .command('cancel')
    .description('cancel tasks, running ones included')
    .argument('<id...>', 'task ids')
    .addHelpText('after', example('clawmesh task cancel 01kbv2m6s3v5w8q0r4t7y9z1x2'))
    .action(cancel);
  forFailed(task.command('retry'))
    .description(`queue ${statesBefore('retry', 'command').join(' or ')} tasks again, with all their attempts`)
    .addHelpText(
      'after',
      example(
        'clawmesh task retry 01kbv2m6s3v5w8q0r4t7y9z1x2',
        'clawmesh task retry --all-failed --kind provider --since 12h',
      ),
    )
    .action(retry);
  forFailed(task.command('ack'))
    .description('acknowledge failed tasks: they are kept, but status no longer reports them')
    .addHelpText(
      'after',
      example('clawmesh task ack 01kbv2m6s3v5w8q0r4t7y9z1x2', 'clawmesh task ack --all-failed --pool xcode'),
    )
    .action(acknowledge);
  forFailed(task.command('remove'))
    .description('remove tasks that are not running, with everything stored about them')
    .addHelpText(
      'after',
      example('clawmesh task remove 01kbv2m6s3v5w8q0r4t7y9z1x2', 'clawmesh task remove --all-failed --since 12h'),
    )
    .action(remove);
}

/** Options that select failed tasks for a command that otherwise takes ids. */
interface FailedOptions {
  allFailed?: boolean;
  kind?: ErrorKind;
  since?: number;
  pool?: string;
}

function forFailed(command: Command): Command {
  return command
    .argument('[id...]', 'task ids')
    .option('--all-failed', 'apply to all failed tasks')
    .option(
      '--kind <kind>',
      `with --all-failed: only tasks with this kind of error: ${ERROR_KINDS.join(', ')}`,
      choiceOption(ERROR_KINDS),
    )
    .option('--since <duration>', 'with --all-failed: only tasks that failed in the last <duration>', durationOption)
    .option('--pool <pool>', 'with --all-failed: only tasks of this pool');
}

const CANCELLED: Readonly<Record<Cancelled, string>> = {
  cancelled: 'cancelled',
  stopping: 'will end as soon as its node stops it, or is declared dead',
};

async function cancel(ids: string[], _options: object, command: Command): Promise<void> {
  const reason = await cancelReason();
  await steer(command, ids, async (mesh, id) => {
    return CANCELLED[await mesh.task.cancel(id, reason)];
  });
}

async function retry(ids: string[], options: FailedOptions, command: Command): Promise<void> {
  await steerFailed(command, 'retry', { ids, options }, async (mesh, id) => {
    await mesh.task.retry(id);
    return 'queued again';
  });
}

async function acknowledge(ids: string[], options: FailedOptions, command: Command): Promise<void> {
  const filter = { unacknowledged: true };
  await steerFailed(command, 'acknowledge', { ids, options, filter }, async (mesh, id) => {
    await mesh.task.acknowledge(id);
    return 'acknowledged';
  });
}

async function remove(ids: string[], options: FailedOptions, command: Command): Promise<void> {
  await steerFailed(command, 'remove', { ids, options }, async (mesh, id) => {
    // With --all-failed, a task that was queued again in the meantime no longer counts.
    await mesh.task.remove(id, { onlyFailed: options.allFailed === true });
    return 'removed';
  });
}

/**
 * Applies `act` to the tasks with these ids, or to all selected failed tasks. `filter` restricts the latter to tasks
 * for which the action makes sense.
 */
async function steerFailed(
  command: Command,
  verb: string,
  wanted: { ids: readonly string[]; options: FailedOptions; filter?: Pick<TaskFilter, 'unacknowledged'> },
  act: (mesh: Mesh, id: string) => Promise<string>,
): Promise<void> {
  const { ids, options, filter } = wanted;
  if (ids.length > 0 === (options.allFailed === true)) {
    const what = ids.length > 0 ? "task ids and --all-failed can't be combined" : `nothing to ${verb}`;
    throw new ClawmeshError('usage', what, { remedy: 'give either task ids or --all-failed' });
  }
  if (!options.allFailed && (options.kind || options.since !== undefined || options.pool !== undefined)) {
    throw new ClawmeshError('usage', '--kind, --since and --pool require --all-failed', {
      remedy: 'add --all-failed',
    });
  }
  if (!options.allFailed) return steer(command, ids, act);
  await withMesh(command, async (mesh) => {
    const out = outputOf(command);
    const failed = await failedTasks(mesh, out, options, filter);
    if (failed.length === 0) out.note('no matching failed tasks');
    await steerAll(mesh, command, failed, act);
  });
}

async function failedTasks(
  mesh: Mesh,
  out: Output,
  { kind, since, pool }: FailedOptions,
  filter: Pick<TaskFilter, 'unacknowledged'> = {},
): Promise<string[]> {
  if (pool !== undefined) await mesh.pool.check(pool);
  const failed = await mesh.list({ ...filter, state: 'failed', pool, limit: ALL_LIMIT });
  if (failed.length === ALL_LIMIT) {
    out.note(`only the newest ${ALL_LIMIT} failed tasks were considered; run the command again for the rest`);
  }
  const from = since === undefined ? 0 : (await mesh.server.time()) - since;
  return failed
    .filter((task) => (!kind || task.error?.kind === kind) && Date.parse(task.finishedAt ?? '') >= from)
    .map(({ id }) => id);
}

async function steer(
  command: Command,
  ids: readonly string[],
  act: (mesh: Mesh, id: string) => Promise<string>,
): Promise<void> {
  await withMesh(command, (mesh) => steerAll(mesh, command, [...new Set(ids)], act));
}

/** Applies `act` to each task. An error in one does not stop the others; errors are reported at the end. */
async function steerAll(
  mesh: Mesh,
  command: Command,
  ids: readonly string[],
  act: (mesh: Mesh, id: string) => Promise<string>,
): Promise<void> {
  const out = outputOf(command);
  const done: { id: string; outcome: string }[] = [];
  const failures: ClawmeshError[] = [];
  for (let start = 0; start < ids.length; start += AT_ONCE) {
    const batch = ids.slice(start, start + AT_ONCE);
    const results = await Promise.allSettled(batch.map((id) => act(mesh, id)));
    for (const [index, result] of results.entries()) {
      const id = batch[index] as string;
      if (result.status === 'fulfilled') done.push({ id, outcome: result.value });
      else if (result.reason instanceof ClawmeshError) failures.push(result.reason);
      else throw result.reason;
    }
  }
  if (out.json) {
    out.document<'task cancel' | 'task retry' | 'task ack' | 'task remove'>({
      tasks: done,
      errors: failures.map((error) => messageOf(error)),
    });
  } else {
    for (const { id, outcome } of done) out.line(`${id}  ${outcome}`);
  }
  const [worst] = failures.toSorted((a, b) => Number(hasCode(b, 'not-found')) - Number(hasCode(a, 'not-found')));
  if (!worst) return;
  for (const error of failures.filter((failure) => failure !== worst)) out.note(`clawmesh: ${messageOf(error)}`);
  throw worst;
}
