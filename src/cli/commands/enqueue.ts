import { Command } from 'commander';
import type { Mesh } from '../../client/mesh.ts';
import { ClawmeshError } from '../../domain/errors.ts';
import { replaceIds, wantedResults } from '../../domain/placeholders.ts';
import type { NewTask, Task } from '../../domain/task.ts';
import { printable } from '../../domain/terminal-text.ts';
import type { Enqueued } from '../../queue/bullmq/task-producer.ts';
import { loadedConfig, outputOf, withMesh } from '../context.ts';
import { example } from '../help.ts';
import { tagOption } from '../options.ts';
import type { Output } from '../output.ts';
import { checkIdsWereRead } from '../queued-ids.ts';
import { completeIds } from '../task-ids.ts';
import { addTaskOptions, inFlags, type PlacedTaskOptions, taskFields, taskInput } from '../task-options.ts';

interface EnqueueOptions extends PlacedTaskOptions {
  messageFile?: string;
  from?: string;
  wait?: boolean;
  dryRun?: boolean;
}

export function enqueueCommand(): Command {
  const command = new Command('enqueue')
    .description('queue one task and print its id, or many tasks with --from')
    .argument('[message]', 'prompt for the agent')
    .option('--message-file <file>', 'read the message from this file (- for standard input)')
    .option(
      '--from <file>',
      'queue one task per line of this JSON Lines file (- for standard input), after checking all lines; other options are defaults for each line',
    );
  return addTaskOptions(command)
    .option('--node <id>', 'run only on this node; the task waits while the node is away')
    .option(
      '--node-fallback',
      'with --node: let any node run the task if that node is gone or does not claim it within queue.stickyTimeout',
    )
    .option('--require <label=value>', 'run only on a node with this label; repeatable', tagOption)
    .option('--delay <duration>', 'wait at least this long before the task runs')
    .option(
      '--after <id...>',
      'run after these tasks have completed; {{result:<id>}} in the message is replaced by the answer of that task',
    )
    .option('--key <key>', 'idempotency key; reusing a key returns the original task')
    .option('--dry-run', 'check everything and say where the task would run now, or why it would wait; queue nothing')
    .option('--wait', 'wait until the task has ended and print its answer; exit 1 unless it completed')
    .addHelpText(
      'after',
      example(
        'clawmesh enqueue "run the tests of repo x and fix what fails" --timeout 1h --tag repo=x',
        'clawmesh enqueue "what is 2+2?" --wait',
        'clawmesh enqueue "build the app" --pool xcode --dry-run',
        'clawmesh enqueue --from tasks.jsonl --pool xcode --tag batch=7',
      ),
    )
    .action(enqueue);
}

async function enqueue(message: string | undefined, options: EnqueueOptions, command: Command): Promise<void> {
  const out = outputOf(command);
  const sources = [
    message !== undefined && 'a message',
    options.messageFile && '--message-file',
    options.from && '--from',
  ];
  const given = sources.filter(Boolean);
  if (given.length !== 1) {
    const what = given.length === 0 ? 'nothing to queue' : `${given.join(' and ')} can't be combined`;
    throw new ClawmeshError('usage', what, { remedy: 'give one of: a message, --message-file, --from' });
  }
  const { config } = await loadedConfig(command);
  const defaults = { attempts: config.queue.attempts };
  const { messageFile: _file, from, wait, dryRun, ...fields } = await withCompleteIds(command, options);
  if (dryRun && wait) {
    throw new ClawmeshError('usage', "--dry-run and --wait can't be combined", { remedy: 'give one of them' });
  }
  if (from !== undefined) {
    const lines = { ...defaults, fields: taskFields(fields) };
    if (dryRun) return (await import('../enqueue-dry-run.ts')).dryRunFile(command, from, lines);
    const { enqueueFile } = await import('../enqueue-file.ts');
    const ids = await enqueueFile(command, from, { defaults: lines, print: !wait });
    if (wait) await withMesh(command, (mesh) => waitAndPrint(mesh, command, ids), { waits: true });
    return;
  }
  const task = await readTask(command, await textOf(message, options), fields, defaults);
  if (dryRun) return (await import('../enqueue-dry-run.ts')).dryRunTask(command, task);
  const queue = async (mesh: Mesh) => {
    const enqueued = await mesh.task.enqueueParsed([task]);
    const { noteLastTask } = await import('../last-task.ts');
    await noteLastTask(config.mesh, enqueued[0]?.id);
    if (wait) return waitAndPrint(mesh, command, enqueued);
    printEnqueued(out, enqueued);
    await checkIdsWereRead(enqueued.map(({ id }) => id));
    const { QueuedPlaces } = await import('../waiting-reasons.ts');
    const places = new QueuedPlaces();
    places.add([task]);
    await places.tell(mesh, out);
  };
  await withMesh(command, queue, { waits: wait });
}

/** The same options, with the complete ids of the tasks that --after names. */
async function withCompleteIds(command: Command, options: EnqueueOptions): Promise<EnqueueOptions> {
  if (!options.after) return options;
  return { ...options, after: [...new Set((await completeIds(command, options.after)).values())] };
}

async function textOf(message: string | undefined, { messageFile }: EnqueueOptions): Promise<string> {
  if (messageFile === undefined) return message ?? '';
  const { readSource } = await import('../task-source.ts');
  return readSource(messageFile);
}

async function readTask(
  command: Command,
  text: string,
  fields: PlacedTaskOptions,
  defaults: { attempts: number },
): Promise<NewTask> {
  const { parseNewTask } = await import('../../queue/new-task.ts');
  const message = replaceIds(text, await completeIds(command, wantedResults(text)));
  const task = parseNewTask(taskInput(message, fields), defaults);
  if (!('problems' in task)) return task;
  throw new ClawmeshError('usage', inFlags(task.problems).join('; '), { remedy: 'nothing was queued' });
}

function printEnqueued(out: Output, enqueued: readonly Enqueued[]): void {
  if (out.json) {
    out.document<'enqueue'>({ tasks: enqueued });
    return;
  }
  for (const { id } of enqueued) out.line(id);
  for (const { state } of enqueued.filter((task) => task.duplicate)) {
    out.note(
      state === 'gone'
        ? 'nothing was queued: the task with this key no longer exists'
        : `nothing was queued: the task with this key is ${state}`,
    );
  }
}

async function waitAndPrint(mesh: Mesh, command: Command, enqueued: readonly Enqueued[]): Promise<void> {
  const out = outputOf(command);
  const { waitVisibly } = await import('../wait.ts');
  for (const { id, pool, duplicate } of enqueued.slice(0, 10)) {
    out.note(out.style('dim', `${duplicate ? 'already queued:' : 'queued'} ${id} in pool ${pool}`));
  }
  const ids = [...new Set(enqueued.map(({ id }) => id))];
  const tasks = await waitVisibly(mesh, command, ids);
  if (out.json) {
    const byId = new Map(tasks.map((task) => [task.id, task]));
    out.document<'enqueue --wait'>({ tasks: enqueued.map((entry) => ({ ...entry, ...waited(byId.get(entry.id)) })) });
  } else {
    for (const task of tasks) printAnswer(out, task);
  }
  if (tasks.some((task) => task.state !== 'completed')) process.exitCode = 1;
}

function waited(task: Task | undefined): Partial<Pick<Task, 'state' | 'result' | 'error'>> {
  return task ? { state: task.state, result: task.result, error: task.error } : {};
}

function printAnswer(out: Output, task: Task): void {
  if (task.result) out.foreign(task.result.text);
  if (task.error) {
    const attempts = task.attempts.made > 1 ? ` after ${task.attempts.made} attempts` : '';
    const what = `clawmesh: task ${task.id} ${task.state}${attempts}: ${task.error.kind}: ${task.error.message}\n`;
    process.stderr.write(printable(what));
  }
}
