import type { Command } from 'commander';
import type { Mesh } from '../../client/mesh.ts';
import type { Cancelled } from '../../client/tasks.ts';
import { ClawmeshError, hasCode, messageOf } from '../../domain/errors.ts';
import { ENDED_STATES, statesBefore, type TaskState } from '../../domain/task-state.ts';
import { cancelReason, outputOf, withMesh } from '../context.ts';
import { example } from '../help.ts';
import { taskIds } from '../task-ids.ts';
import { addSelection, type SelectionOptions, type Steering, selectsByFilter, selectTasks } from '../task-selection.ts';

/** Number of tasks to steer at once: stopping fifty runs then takes no longer than stopping one. */
const AT_ONCE = 50;

const CANCEL: Steering = { verb: 'cancel', allowed: statesBefore('cancel') };
const RETRY: Steering = { verb: 'retry', allowed: statesBefore('retry', 'command'), selected: ['failed'] };
const ACKNOWLEDGE: Steering = { verb: 'acknowledge', allowed: ['failed'], unacknowledged: true };
// Tasks that still have to run are removed only if the user asks for their state.
const REMOVE: Steering = { verb: 'remove', allowed: statesBefore('remove', 'command'), selected: ENDED_STATES };

/** `task cancel | retry | ack | remove`. */
export function addSteeringCommands(task: Command): void {
  addSelection(task.command('cancel'), CANCEL)
    .description('cancel tasks, running ones included')
    .addHelpText(
      'after',
      example('clawmesh task cancel 01kbv2m6s3v5w8q0r4t7y9z1x2', 'clawmesh task cancel --tag batch=7 --state waiting'),
    )
    .action(cancel);
  addSelection(task.command('retry'), RETRY)
    .description(`queue ${RETRY.allowed.join(' or ')} tasks again, with all their attempts`)
    .addHelpText(
      'after',
      example(
        'clawmesh task retry 01kbv2m6s3v5w8q0r4t7y9z1x2',
        'clawmesh task retry --all-failed --kind provider --since 12h',
      ),
    )
    .action(retry);
  addSelection(task.command('ack'), ACKNOWLEDGE)
    .description('acknowledge failed tasks: they are kept, but status no longer reports them')
    .addHelpText(
      'after',
      example('clawmesh task ack 01kbv2m6s3v5w8q0r4t7y9z1x2', 'clawmesh task ack --all-failed --pool xcode'),
    )
    .action(acknowledge);
  addSelection(task.command('remove'), REMOVE)
    .description('remove tasks that are not running, with everything stored about them')
    .addHelpText(
      'after',
      example('clawmesh task remove 01kbv2m6s3v5w8q0r4t7y9z1x2', 'clawmesh task remove --state completed --until 2d'),
    )
    .action(remove);
}

const CANCELLED: Readonly<Record<Cancelled, string>> = {
  cancelled: 'cancelled',
  stopping: 'will end as soon as its node stops it, or is declared dead',
};

async function cancel(ids: string[], options: SelectionOptions, command: Command): Promise<void> {
  const reason = await cancelReason();
  await steer(command, CANCEL, { ids, options }, async (mesh, { id }) => CANCELLED[await mesh.task.cancel(id, reason)]);
}

async function retry(ids: string[], options: SelectionOptions, command: Command): Promise<void> {
  await steer(command, RETRY, { ids, options }, async (mesh, { id }) => {
    await mesh.task.retry(id);
    return 'queued again';
  });
}

async function acknowledge(ids: string[], options: SelectionOptions, command: Command): Promise<void> {
  await steer(command, ACKNOWLEDGE, { ids, options }, async (mesh, { id }) => {
    await mesh.task.acknowledge(id);
    return 'acknowledged';
  });
}

async function remove(ids: string[], options: SelectionOptions, command: Command): Promise<void> {
  // A selected task that was queued again or has ended in the meantime is not the one that the user meant.
  await steer(command, REMOVE, { ids, options }, async (mesh, { id, state }) => {
    await mesh.task.remove(id, { only: state });
    return 'removed';
  });
}

/** A task to steer; with the state in which it was selected, if it was. */
interface Target {
  readonly id: string;
  readonly state?: TaskState;
}

type Act = (mesh: Mesh, task: Target) => Promise<string>;

/** Applies `act` to the tasks with these ids, or to those that the options select. */
async function steer(
  command: Command,
  steering: Steering,
  { ids, options }: { ids: readonly string[]; options: SelectionOptions },
  act: Act,
): Promise<void> {
  const byFilter = selectsByFilter(ids, options, steering);
  const out = outputOf(command);
  await withMesh(command, async (mesh) => {
    const tasks: Target[] = byFilter
      ? await selectTasks(mesh, out, options, steering)
      : (await taskIds(mesh, ids)).map((id) => ({ id }));
    await steerAll(mesh, command, tasks, act);
  });
}

/** Applies `act` to each task. An error in one does not stop the others; errors are reported at the end. */
async function steerAll(mesh: Mesh, command: Command, tasks: readonly Target[], act: Act): Promise<void> {
  const out = outputOf(command);
  const done: { id: string; outcome: string }[] = [];
  const failures: ClawmeshError[] = [];
  for (let start = 0; start < tasks.length; start += AT_ONCE) {
    const batch = tasks.slice(start, start + AT_ONCE);
    const results = await Promise.allSettled(batch.map((task) => act(mesh, task)));
    for (const [index, result] of results.entries()) {
      const { id } = batch[index] as Target;
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
