import { hostname, userInfo } from 'node:os';
import type { Command } from 'commander';
import type { Cancelled, Mesh } from '../../client/mesh.ts';
import { ClawmeshError, hasCode, messageOf } from '../../domain/errors.ts';
import { ERROR_KINDS, type ErrorKind, type Task } from '../../domain/task.ts';
import { outputOf, withMesh } from '../context.ts';
import { example } from '../help.ts';
import { choiceOption, durationOption } from '../options.ts';

/** Runs are stopped side by side, so that fifty are gone as soon as one. */
const AT_ONCE = 50;
/** Failed tasks that `--all-failed` takes in one go. */
const ALL_LIMIT = 100_000;

/** `task cancel | retry | remove`. */
export function addSteeringCommands(task: Command): void {
  task
    .command('cancel')
    .description('cancel tasks, running ones too')
    .argument('<id...>', 'task ids')
    .addHelpText('after', example('clawmesh task cancel 01kbv2m6s3v5w8q0r4t7y9z1x2'))
    .action(cancel);
  task
    .command('retry')
    .description('queue failed or cancelled tasks again, with as many attempts as at first')
    .argument('[id...]', 'task ids')
    .option('--all-failed', 'all failed tasks')
    .option('--kind <kind>', 'with --all-failed: only those that failed so', choiceOption(ERROR_KINDS))
    .option('--since <duration>', 'with --all-failed: only those that failed within this time', durationOption)
    .addHelpText(
      'after',
      example(
        'clawmesh task retry 01kbv2m6s3v5w8q0r4t7y9z1x2',
        'clawmesh task retry --all-failed --kind provider --since 12h',
      ),
    )
    .action(retry);
  task
    .command('remove')
    .description('remove tasks that do not run, with all there is of them')
    .argument('<id...>', 'task ids')
    .addHelpText('after', example('clawmesh task remove 01kbv2m6s3v5w8q0r4t7y9z1x2'))
    .action(remove);
}

const CANCELLED: Readonly<Record<Cancelled, string>> = {
  cancelled: 'cancelled',
  stopping: 'will end as soon as its node stops it, or is declared dead',
  ended: 'had ended before',
};

async function cancel(ids: string[], _options: object, command: Command): Promise<void> {
  const reason = `cancelled by ${userInfo().username} on ${hostname()}`;
  await steer(command, ids, async (mesh, id) => {
    const answer = await mesh.cancel(id, reason);
    if (answer !== 'ended') return CANCELLED[answer];
    throw new ClawmeshError('failed', `task ${id} ${CANCELLED.ended}`, { remedy: `see clawmesh task show ${id}` });
  });
}

interface RetryOptions {
  allFailed?: boolean;
  kind?: ErrorKind;
  since?: number;
}

async function retry(ids: string[], options: RetryOptions, command: Command): Promise<void> {
  if (ids.length > 0 === (options.allFailed === true)) {
    throw new ClawmeshError('usage', ids.length > 0 ? 'ids and --all-failed exclude each other' : 'nothing to retry', {
      remedy: 'give task ids, or --all-failed',
    });
  }
  if (!options.allFailed && (options.kind || options.since !== undefined)) {
    throw new ClawmeshError('usage', '--kind and --since choose among --all-failed', {
      remedy: 'give --all-failed too',
    });
  }
  const again = async (mesh: Mesh, id: string) => {
    await mesh.retry(id);
    return 'queued again';
  };
  if (!options.allFailed) return steer(command, ids, again);
  await withMesh(command, async (mesh) => {
    const failed = await mesh.list({ state: 'failed', limit: ALL_LIMIT });
    const since = options.since === undefined ? 0 : (await mesh.registry.redisTime()) - options.since;
    const wanted = failed.filter(
      (task: Task) =>
        (!options.kind || task.error?.kind === options.kind) && Date.parse(task.finishedAt ?? '') >= since,
    );
    if (wanted.length === 0) outputOf(command).note('no such failed tasks');
    await steerAll(
      mesh,
      command,
      wanted.map(({ id }) => id),
      again,
    );
  });
}

async function remove(ids: string[], _options: object, command: Command): Promise<void> {
  await steer(command, ids, async (mesh, id) => {
    await mesh.remove(id);
    return 'removed';
  });
}

async function steer(
  command: Command,
  ids: readonly string[],
  act: (mesh: Mesh, id: string) => Promise<string>,
): Promise<void> {
  await withMesh(command, (mesh) => steerAll(mesh, command, [...new Set(ids)], act));
}

/** Does it to each task; what goes wrong with one keeps none of the others from it, and is told at the end. */
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
    out.document({ tasks: done, errors: failures.map((error) => messageOf(error)) });
  } else {
    for (const { id, outcome } of done) out.line(`${id}  ${outcome}`);
  }
  const [worst] = failures.toSorted((a, b) => Number(hasCode(b, 'not-found')) - Number(hasCode(a, 'not-found')));
  if (!worst) return;
  for (const error of failures.filter((failure) => failure !== worst)) out.note(`clawmesh: ${messageOf(error)}`);
  throw worst;
}
