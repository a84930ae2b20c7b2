import { Command } from 'commander';
import type { Mesh } from '../../client/mesh.ts';
import { ClawmeshError } from '../../domain/errors.ts';
import type { NewTask, Task } from '../../domain/task.ts';
import type { Enqueued } from '../../queue/bullmq/task-producer.ts';
import { loadedConfig, outputOf, withMesh } from '../context.ts';
import { example } from '../help.ts';
import { tagOption } from '../options.ts';
import { type Output, printable } from '../output.ts';
import { addTaskOptions, type PlacedTaskOptions, taskFields, taskInput } from '../task-options.ts';

interface EnqueueOptions extends PlacedTaskOptions {
  messageFile?: string;
  from?: string;
  wait?: boolean;
}

export function enqueueCommand(): Command {
  const command = new Command('enqueue')
    .description('queue one task and print its id, or many with --from')
    .argument('[message]', 'what the agent shall do')
    .option('--message-file <file>', 'read the message from a file, - for standard input')
    .option(
      '--from <file>',
      'queue one task per line of JSON, - for standard input; all are checked first. The other options are defaults for each line',
    );
  return addTaskOptions(command)
    .option('--node <id>', 'only this node may run it; while it is away, the task waits')
    .option('--node-fallback', 'with --node: any node may run it, should that one be gone')
    .option('--require <label=value>', 'only a node with this label may run it, repeatable', tagOption)
    .option('--delay <duration>', 'not before this has passed')
    .option(
      '--after <id...>',
      'run once these have completed; {{result:<id>}} in the message becomes what that task answered',
    )
    .option('--key <key>', 'idempotency key: the same key again gives the first task')
    .option('--wait', 'wait for the end and print the answer; exit 1 if the task failed')
    .addHelpText(
      'after',
      example(
        'clawmesh enqueue "run the tests of repo x and fix what fails" --timeout 1h --tag repo=x',
        'clawmesh enqueue "what is 2+2?" --wait',
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
    const what = given.length === 0 ? 'nothing to queue' : `${given.join(' and ')} exclude each other`;
    throw new ClawmeshError('usage', what, { remedy: 'give a message, --message-file or --from' });
  }
  const { config } = await loadedConfig(command);
  const defaults = { attempts: config.queue.attempts };
  const { messageFile: _file, from, wait, ...fields } = options;
  if (from !== undefined) {
    const { enqueueFile } = await import('../enqueue-file.ts');
    const lines = { ...defaults, fields: taskFields(fields) };
    const ids = await enqueueFile(command, from, { defaults: lines, print: !wait });
    if (wait) await withMesh(command, (mesh) => waitAndPrint(mesh, command, ids), { waits: true });
    return;
  }
  const task = await readTask(message, options, defaults);
  const queue = async (mesh: Mesh) => {
    const enqueued = await mesh.task.enqueueParsed([task]);
    if (options.wait) return waitAndPrint(mesh, command, enqueued);
    printEnqueued(out, enqueued);
    const { QueuedPlaces } = await import('../waiting-reasons.ts');
    const places = new QueuedPlaces();
    places.add([task]);
    await places.tell(mesh, out);
  };
  await withMesh(command, queue, { waits: options.wait });
}

async function readTask(
  message: string | undefined,
  options: EnqueueOptions,
  defaults: { attempts: number },
): Promise<NewTask> {
  const [{ readSource }, { parseNewTask }] = await Promise.all([
    import('../task-source.ts'),
    import('../../queue/new-task.ts'),
  ]);
  const text = options.messageFile === undefined ? message : await readSource(options.messageFile);
  const { messageFile: _file, from: _from, wait: _wait, ...fields } = options;
  const task = parseNewTask(taskInput(text ?? '', fields), defaults);
  if ('problems' in task) throw new ClawmeshError('usage', task.problems.join('; '), { remedy: 'nothing was queued' });
  return task;
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
        ? 'this key had a task, which is not kept any more; nothing was queued'
        : `this key has a task already, which is ${state}; nothing was queued`,
    );
  }
}

async function waitAndPrint(mesh: Mesh, command: Command, enqueued: readonly Enqueued[]): Promise<void> {
  const out = outputOf(command);
  const { waitVisibly } = await import('../wait.ts');
  for (const { id, pool } of enqueued.slice(0, 10)) out.note(out.style('dim', `queued ${id} in pool ${pool}`));
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
