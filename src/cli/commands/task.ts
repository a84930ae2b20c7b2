import { setTimeout as sleep } from 'node:timers/promises';
import { Command, Option } from 'commander';
import type { Mesh } from '../../client/mesh.ts';
import { counted } from '../../domain/counted.ts';
import { ClawmeshError } from '../../domain/errors.ts';
import type { Task } from '../../domain/task.ts';
import { isEnded, TASK_STATES, type TaskState } from '../../domain/task-state.ts';
import { humanDuration } from '../../domain/units.ts';
import { readsTasks } from '../../queue/task-filter.ts';
import { outputOf, tellOfOutages, withMesh } from '../context.ts';
import { example } from '../help.ts';
import { durationOption, numberOption } from '../options.ts';
import { ago, type Output, oneLine, styledState } from '../output.ts';
import { addOutputOptions } from '../output-options.ts';
import { endWithReader } from '../streams.ts';
import { idColumn } from '../table.ts';
import { addTaskFilters, checkNames, type TaskFilterOptions, taskFilter } from '../task-filter-options.ts';
import { TASK_ID_HINT, taskId, taskIds } from '../task-ids.ts';
import { addWebOption, openPage } from '../web.ts';
import { addDeliverCommand } from './task-deliver.ts';
import { printFailedLog } from './task-failed-log.ts';
import { taskRerunCommand } from './task-rerun.ts';
import { taskResultCommand } from './task-result.ts';
import { addSteeringCommands } from './task-steering.ts';
import { printUsage } from './usage.ts';

const FOLLOW_POLL_MS = 300;

export function taskCommand(): Command {
  const task = new Command('task')
    .description('inspect and steer tasks')
    .addHelpText('after', example('clawmesh task list --state failed', 'clawmesh task retry --all-failed'));
  const tasks = task.command('list').description('list tasks, newest first');
  addTaskFilters(tasks)
    .option('--unacknowledged', 'only failed tasks without an acknowledgement (see task ack)')
    .option('--limit <n>', 'maximum number to show', numberOption(1, 10_000), 20)
    .addOption(
      new Option(
        '--usage',
        'show the token usage of completed tasks instead, by day (UTC), agent and model; --since and --until select whole days',
      ).conflicts(['state', 'pool', 'node', 'tag', 'kind', 'text', 'unacknowledged', 'limit']),
    )
    .addHelpText(
      'after',
      example(
        'clawmesh task list --state failed,cancelled --since 1d',
        'clawmesh task list --tag repo=x --fields id,state,error.kind -o jsonl',
        'clawmesh task list --usage --since 7d',
      ),
    )
    .action(list);
  addWebOption(addOutputOptions(tasks));
  const one = task
    .command('show')
    .description('show everything about one task, its history and result included')
    .argument('<id>', TASK_ID_HINT)
    .option('--log-failed', 'print only the log lines of its last failed attempt')
    .addHelpText('after', example('clawmesh task show 01kbv2m6s3v5w8q0r4t7y9z1x2', 'clawmesh task show @last --web'))
    .action(show);
  addWebOption(addOutputOptions(one));
  task
    .command('logs')
    .description("print a task's log and progress lines")
    .argument('<id>', TASK_ID_HINT)
    .option('-f, --follow', 'keep printing until the task has ended')
    .addHelpText('after', example('clawmesh task logs 01kbv2m6s3v5w8q0r4t7y9z1x2 -f', 'clawmesh task logs @last'))
    .action(logs);
  task
    .command('wait')
    .description('wait until these tasks have ended; exit 1 unless all completed, 5 after --timeout')
    .argument('<id...>', TASK_ID_HINT)
    .option('--timeout <duration>', 'give up after this long', durationOption)
    .addHelpText('after', example('clawmesh task wait 01kbv2m6s3v5w8q0r4t7y9z1x2 --timeout 10m'))
    .action(wait);
  addSteeringCommands(task);
  task.addCommand(taskResultCommand());
  task.addCommand(taskRerunCommand());
  addDeliverCommand(task);
  return task;
}

interface ListOptions extends TaskFilterOptions {
  unacknowledged?: boolean;
  limit: number;
  usage?: boolean;
  web?: boolean;
}

async function list(options: ListOptions, command: Command): Promise<void> {
  const out = outputOf(command);
  if (options.unacknowledged && options.state?.some((state) => state !== 'failed')) {
    throw new ClawmeshError('usage', `--unacknowledged selects failed tasks, but --state is ${options.state}`, {
      remedy: 'give only one of them',
    });
  }
  if (options.web) return openPage(command, '/tasks');
  await withMesh(command, async (mesh) => {
    const { unacknowledged, limit, usage, web: _web, ...filters } = options;
    const filter = await taskFilter(mesh, filters);
    if (usage) return printUsage(out, daysWithin(await mesh.usage(), filter));
    const tasks = await mesh.list({ ...filter, unacknowledged, limit });
    if (tasks.length === 0) await checkNames(mesh, options);
    const more = await countMore(mesh, options, tasks);
    if (out.json) {
      const entries = out.onlyIds ? asyncOf(tasks) : mesh.task.withResults(tasks);
      return out.listDocument<'task list'>(entries, { of: 'tasks', rest: () => ({ more }) });
    }
    if (tasks.length === 0) return out.note('no tasks');
    printTasks(out, tasks);
    if (more !== null && more > 0) out.note(await moreText(mesh, options, tasks, more));
    else if (more === null && tasks.length === limit) out.note('there may be more tasks; see --limit');
  });
}

async function* asyncOf<T>(list: readonly T[]): AsyncGenerator<T> {
  yield* list;
}

/** The sums of the days that these times (ms) are part of. */
function daysWithin<T extends { readonly day: string }>(
  sums: readonly T[],
  { since = 0, until = Date.parse('9999-12-31') }: { since?: number | undefined; until?: number | undefined },
): T[] {
  const [first, last] = [since, until].map((at) => new Date(at).toISOString().slice(0, 10)) as [string, string];
  return sums.filter(({ day }) => day >= first && day <= last);
}

function printTasks(out: Output, tasks: readonly Task[]): void {
  const more = out.wide ? ['PRIORITY', 'AGENT', 'MODEL', 'TAGS', 'RAN', 'HANDOVERS', 'ERROR'] : [];
  out.table(
    [idColumn('ID'), 'STATE', 'POOL', 'NODE', 'ATTEMPT', 'AGE', ...more, 'MESSAGE'],
    tasks.map((task) => [
      task.id,
      styledState(out, task.state),
      task.pool,
      task.node ?? '-',
      `${task.attempts.made}/${task.attempts.max}`,
      ago(task.enqueuedAt),
      ...(out.wide ? wideCells(task) : []),
      oneLine(task.message),
    ]),
  );
}

function wideCells(task: Task): string[] {
  const { priority, agent, model, startedAt, finishedAt, handovers, error } = task;
  const ranMs = startedAt && finishedAt ? Date.parse(finishedAt) - Date.parse(startedAt) : undefined;
  return [
    String(priority),
    agent ?? '-',
    model ?? '-',
    tagsText(task) || '-',
    ranMs === undefined ? '-' : humanDuration(ranMs),
    String(handovers),
    error?.kind ?? '-',
  ];
}

function tagsText({ tags }: Task): string {
  return Object.entries(tags)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ');
}

/** Number of matching tasks beyond the listed ones; null if that would require reading all of them. */
async function countMore(mesh: Mesh, options: ListOptions, listed: readonly Task[]): Promise<number | null> {
  if (listed.length < options.limit) return 0;
  if (readsTasks({ ...options, tags: options.tag })) return null;
  const total = await countTasks(mesh, options, options.state ?? TASK_STATES);
  return Math.max(0, total - listed.length);
}

async function countTasks(mesh: Mesh, { pool }: ListOptions, states: readonly TaskState[]): Promise<number> {
  const counts = await mesh.pool.counts(pool === undefined ? undefined : [pool]);
  return [...counts.values()].flatMap((count) => states.map((state) => count[state])).reduce((sum, n) => sum + n, 0);
}

async function moreText(mesh: Mesh, options: ListOptions, listed: readonly Task[], more: number): Promise<string> {
  const shown = `${counted(more, 'more task')}; see --limit`;
  if (options.state !== undefined) return shown;
  const running =
    (await countTasks(mesh, options, ['active'])) - listed.filter(({ state }) => state === 'active').length;
  if (running <= 0) return shown;
  const pool = options.pool === undefined ? '' : ` --pool ${options.pool}`;
  return `${shown}; ${running} of them ${running === 1 ? 'is' : 'are'} running: clawmesh task list --state active${pool}`;
}

async function show(text: string, options: { web?: boolean; logFailed?: boolean }, command: Command): Promise<void> {
  const out = outputOf(command);
  await withMesh(command, async (mesh) => {
    const id = await taskId(mesh, text);
    if (options.logFailed) return printFailedLog(mesh, out, id);
    const task = await mesh.task.existing(id);
    if (options.web) await openPage(command, `/task/${encodeURIComponent(task.id)}`);
    else if (out.json) out.document<'task show'>(task);
    else printTask(out, task);
  });
}

async function logs(text: string, options: { follow?: boolean }, command: Command): Promise<void> {
  const out = outputOf(command);
  const outages = tellOfOutages(out, 'the task continues');
  if (options.follow) endWithReader();
  const print = async (mesh: Mesh) => {
    const id = await taskId(mesh, text);
    let printed = 0;
    const lines: string[] = [];
    const { WaitingReasons } = await import('../waiting-reasons.ts');
    const reasons = new WaitingReasons(mesh, (text) => out.note(text));
    const startedAt = performance.now();
    for (;;) {
      const look = async () => {
        const task = await mesh.task.existing(id);
        return { task, fresh: await mesh.task.logs(task, printed) };
      };
      const { task, fresh } = options.follow ? await mesh.throughOutages(look, outages) : await look();
      printed += fresh.length;
      if (out.json) lines.push(...fresh);
      else for (const line of fresh) out.line(line);
      if (options.follow && !isEnded(task.state)) {
        reasons.of([task], performance.now() - startedAt);
        await sleep(FOLLOW_POLL_MS);
        continue;
      }
      if (out.json) out.document<'task logs'>({ lines });
      else if (printed === 0) out.note(`task ${id} is ${task.state} and has no log lines`);
      return;
    }
  };
  await withMesh(command, print, { waits: options.follow });
}

async function wait(texts: string[], options: { timeout?: number }, command: Command): Promise<void> {
  const out = outputOf(command);
  const untilAllHaveEnded = async (mesh: Mesh) => {
    const { waitVisibly } = await import('../wait.ts');
    const tasks = await waitVisibly(mesh, command, await taskIds(mesh, texts), { timeoutMs: options.timeout });
    if (out.json) out.document<'task wait'>({ tasks });
    else for (const task of tasks) out.row([task.id, styledState(out, task.state), ...reasonOf(task)]);
    if (tasks.some((task) => task.state !== 'completed')) process.exitCode = 1;
  };
  await withMesh(command, untilAllHaveEnded, { waits: true });
}

function reasonOf(task: Task): string[] {
  return task.error ? [`${task.error.kind}: ${oneLine(task.error.message)}`] : [];
}

function printTask(out: Output, task: Task): void {
  const field = (name: string, value: string | null | undefined) => {
    if (value) out.line(`${out.style('dim', `${name}:`.padEnd(13))} ${value}`);
  };
  field('task', task.id);
  field('state', styledState(out, task.state) + (task.delayedUntil ? ` (until ${task.delayedUntil})` : ''));
  field('acknowledged', task.acknowledgedAt && ago(task.acknowledgedAt));
  field('held by', task.heldBy);
  field('only on', task.target);
  field('pool', task.pool);
  field('node', task.node);
  field(
    'attempt',
    `${task.attempts.made} of ${task.attempts.max} made${task.handovers ? `, ${counted(task.handovers, 'handover')}` : ''}`,
  );
  field('agent', task.agent);
  const moved = task.sessionMovedFrom === null ? '' : ` (restarted; its transcript stayed on ${task.sessionMovedFrom})`;
  field('session', task.session && task.session + moved);
  field('model', task.model);
  field('key', task.key);
  field('tags', tagsText(task));
  field('asked in', task.origin && originWords(task.origin));
  field('deliver to', task.delivery && deliveryWords(task.delivery));
  field('message', out.excerpt(task.message, 500));
  if (task.progress) field('progress', out.excerpt(task.progress.note, 200));
  out.line();
  out.table(
    ['AT', 'EVENT', 'NODE', 'ATTEMPT', 'REASON'],
    task.history.map((entry) => [
      entry.at,
      styledState(out, entry.event),
      entry.node ?? '-',
      entry.attempt === null ? '-' : String(entry.attempt),
      oneLine(entry.reason ?? ''),
    ]),
  );
  if (task.result) printResult(out, task.result);
  if (!task.error) return;
  out.line();
  out.foreign(out.style('red', `${task.error.kind}: ${task.error.message}`));
}

function originWords({ channel, sender, agent, session }: NonNullable<Task['origin']>): string {
  const parts = [channel, sender && `by ${sender}`, agent && `agent ${agent}`, session && `session ${session}`];
  return oneLine(parts.filter(Boolean).join(', '), 200);
}

function deliveryWords({ to, state, reason, tries, at }: NonNullable<Task['delivery']>): string {
  const after = tries > 0 ? ` after ${counted(tries, 'failed try', 'failed tries')}` : '';
  const why = reason === null ? '' : `: ${reason}`;
  return oneLine(`${to} (${state}${at === null ? '' : ` ${ago(at)}`}${after}${why})`, 400);
}

function printResult(out: Output, result: NonNullable<Task['result']>): void {
  const tokens = result.usage ? counted(result.usage.total, 'token') : undefined;
  const facts = [humanDuration(result.durationMs), result.model, tokens].filter(Boolean).join(' · ');
  out.line();
  out.line(out.style('dim', facts));
  out.foreign(result.text);
}
