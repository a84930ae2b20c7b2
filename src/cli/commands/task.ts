import { setTimeout as sleep } from 'node:timers/promises';
import { Command, Option } from 'commander';
import type { Mesh } from '../../client/mesh.ts';
import { counted } from '../../domain/counted.ts';
import { ClawmeshError } from '../../domain/errors.ts';
import { noSuch } from '../../domain/not-found.ts';
import type { Task } from '../../domain/task.ts';
import { isEnded, TASK_STATES, type TaskState } from '../../domain/task-state.ts';
import { humanDuration } from '../../domain/units.ts';
import { outputOf, tellOfOutages, withMesh } from '../context.ts';
import { example } from '../help.ts';
import { choiceOption, durationOption, numberOption, poolOption, tagOption } from '../options.ts';
import { ago, type Output, oneLine, styledState } from '../output.ts';
import { endWithReader } from '../streams.ts';
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
  task
    .command('list')
    .description('list tasks, newest first')
    .option('--state <state>', `only tasks in this state: ${TASK_STATES.join(', ')}`, choiceOption(TASK_STATES))
    .option('--pool <pool>', 'only tasks of this pool', poolOption)
    .option('--node <id>', 'only tasks that run on this node or last ran there')
    .option('--tag <name=value>', 'only tasks with this tag; repeatable', tagOption)
    .option('--unacknowledged', 'only failed tasks without an acknowledgement (see task ack)')
    .option('--limit <n>', 'maximum number to show', numberOption(1, 10_000), 20)
    .addOption(
      new Option('--usage', 'show the token usage of completed tasks instead, by day (UTC), agent and model').conflicts(
        ['state', 'pool', 'node', 'tag', 'limit'],
      ),
    )
    .addHelpText('after', example('clawmesh task list --state failed', 'clawmesh task list --tag repo=x --json'))
    .action(list);
  task
    .command('show')
    .description('show everything about one task, its history and result included')
    .argument('<id>', 'task id')
    .option('--log-failed', 'print only the log lines of its last failed attempt')
    .addHelpText('after', example('clawmesh task show 01kbv2m6s3v5w8q0r4t7y9z1x2'))
    .action(show);
  task
    .command('logs')
    .description("print a task's log and progress lines")
    .argument('<id>', 'task id')
    .option('-f, --follow', 'keep printing until the task has ended')
    .addHelpText('after', example('clawmesh task logs 01kbv2m6s3v5w8q0r4t7y9z1x2 -f'))
    .action(logs);
  task
    .command('wait')
    .description('wait until these tasks have ended; exit 1 unless all completed, 5 after --timeout')
    .argument('<id...>', 'task ids')
    .option('--timeout <duration>', 'give up after this long', durationOption)
    .addHelpText('after', example('clawmesh task wait 01kbv2m6s3v5w8q0r4t7y9z1x2 --timeout 10m'))
    .action(wait);
  addSteeringCommands(task);
  task.addCommand(taskResultCommand());
  task.addCommand(taskRerunCommand());
  addDeliverCommand(task);
  return task;
}

interface ListOptions {
  state?: TaskState;
  pool?: string;
  node?: string;
  tag?: Record<string, string>;
  unacknowledged?: boolean;
  limit: number;
  usage?: boolean;
}

async function list(options: ListOptions, command: Command): Promise<void> {
  const out = outputOf(command);
  if (options.unacknowledged && options.state !== undefined && options.state !== 'failed') {
    throw new ClawmeshError('usage', `--unacknowledged selects failed tasks, but --state is ${options.state}`, {
      remedy: 'give only one of them',
    });
  }
  await withMesh(command, async (mesh) => {
    if (options.usage) return printUsage(out, await mesh.usage());
    const tasks = await mesh.list({
      state: options.state,
      pool: options.pool,
      node: options.node,
      tags: options.tag,
      unacknowledged: options.unacknowledged,
      results: out.json,
      limit: options.limit,
    });
    const more = await countMore(mesh, options, tasks);
    if (out.json) return out.document<'task list'>({ tasks, more });
    if (tasks.length === 0) return out.note(['no tasks', ...(await unknownNames(mesh, options))].join('; '));
    out.table(
      ['ID', 'STATE', 'POOL', 'NODE', 'ATTEMPT', 'AGE', 'MESSAGE'],
      tasks.map((task) => [
        task.id,
        styledState(out, task.state),
        task.pool,
        task.node ?? '-',
        `${task.attempts.made}/${task.attempts.max}`,
        ago(task.enqueuedAt),
        oneLine(task.message, 60),
      ]),
    );
    if (more !== null && more > 0) out.note(await moreText(mesh, options, tasks, more));
    else if (more === null && tasks.length === options.limit) out.note('there may be more tasks; see --limit');
  });
}

/** Pool or node names in the filter that do not exist: mostly a typo. */
async function unknownNames(mesh: Mesh, { pool, node }: ListOptions): Promise<string[]> {
  const [pools, nodes] = [await mesh.pool.names(), await mesh.nodes()];
  return [
    noSuch('pool', pool, pools),
    noSuch(
      'node',
      node,
      nodes.map(({ id }) => id),
    ),
  ].filter((text) => text !== undefined);
}

/** Number of matching tasks beyond the listed ones; null if that would require reading all of them. */
async function countMore(mesh: Mesh, options: ListOptions, listed: readonly Task[]): Promise<number | null> {
  if (listed.length < options.limit) return 0;
  if (options.node !== undefined || options.tag) return null;
  const total = await countTasks(mesh, options, options.state === undefined ? TASK_STATES : [options.state]);
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

async function show(id: string, { logFailed }: { logFailed?: boolean }, command: Command): Promise<void> {
  const out = outputOf(command);
  await withMesh(command, async (mesh) => {
    if (logFailed) return printFailedLog(mesh, out, id);
    const task = await mesh.task.existing(id);
    if (out.json) out.document<'task show'>(task);
    else printTask(out, task);
  });
}

async function logs(id: string, options: { follow?: boolean }, command: Command): Promise<void> {
  const out = outputOf(command);
  const outages = tellOfOutages(out, 'the task continues');
  if (options.follow) endWithReader();
  const print = async (mesh: Mesh) => {
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

async function wait(ids: string[], options: { timeout?: number }, command: Command): Promise<void> {
  const out = outputOf(command);
  const untilAllHaveEnded = async (mesh: Mesh) => {
    const { waitVisibly } = await import('../wait.ts');
    const tasks = await waitVisibly(mesh, command, ids, { timeoutMs: options.timeout });
    if (out.json) out.document<'task wait'>({ tasks });
    else for (const task of tasks) out.line(`${task.id}  ${styledState(out, task.state)}${reasonOf(task)}`);
    if (tasks.some((task) => task.state !== 'completed')) process.exitCode = 1;
  };
  await withMesh(command, untilAllHaveEnded, { waits: true });
}

function reasonOf(task: Task): string {
  return task.error ? `  ${task.error.kind}: ${oneLine(task.error.message, 100)}` : '';
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
  const tags = Object.entries(task.tags).map(([name, value]) => `${name}=${value}`);
  field('tags', tags.join(' '));
  field('asked in', task.origin && originWords(task.origin));
  field('deliver to', task.delivery && deliveryWords(task.delivery));
  field('message', oneLine(task.message, 500));
  if (task.progress) field('progress', oneLine(task.progress.note, 200));
  out.line();
  out.table(
    ['AT', 'EVENT', 'NODE', 'ATTEMPT', 'REASON'],
    task.history.map((entry) => [
      entry.at,
      styledState(out, entry.event),
      entry.node ?? '-',
      entry.attempt === null ? '-' : String(entry.attempt),
      oneLine(entry.reason ?? '', 100),
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
