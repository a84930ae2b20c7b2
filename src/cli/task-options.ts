import { type Command, InvalidArgumentError, Option } from 'commander';
import {
  CHANNEL_DESTINATION_HINT,
  type ChannelDestination,
  type Destination,
  parseChannelDestination,
} from '../domain/delivery.ts';
import { MAX_PRIORITY } from '../domain/task.ts';
import type { TaskFields, TaskInput } from '../queue/new-task.ts';
import { numberOption, tagOption } from './options.ts';

/** The options of a task on the command line. */
export interface TaskOptions {
  agent?: string;
  session?: string;
  model?: string;
  thinking?: string;
  pool?: string;
  priority?: number;
  attempts?: number;
  timeout?: string;
  idleTimeout?: string;
  backoff?: string;
  tag?: Record<string, string>;
  deliver?: ChannelDestination;
  notifyWebhook?: string;
}

/** Adds the options of every command that creates tasks. */
export function addTaskOptions(command: Command): Command {
  return command
    .option('--agent <id>', 'OpenClaw agent to run')
    .option(
      '--session <key>',
      'OpenClaw session to start or continue, on its sticky node, one task at a time (default: a new session)',
    )
    .option('--model <model>', 'model to use, e.g. provider/model')
    .option('--thinking <level>', 'thinking level')
    .option('--pool <pool>', 'pool to queue in (default: default)')
    .option(
      '--priority <n>',
      'priority in the pool: 1 runs first, then 2, …; tasks without one (0) run last',
      numberOption(0, MAX_PRIORITY),
    )
    .option('--attempts <n>', 'maximum number of attempts (default: queue.attempts)', numberOption(1, 100))
    .option('--timeout <duration>', 'deadline of one attempt (default: queue.taskTimeout)')
    .option(
      '--idle-timeout <duration>',
      'stop an attempt after this long without a sign of life (default: queue.idleTimeout)',
    )
    .option(
      '--backoff <duration>',
      'longest wait before the second attempt, doubled for each further one (default: queue.backoff.delay)',
    )
    .option('--tag <name=value>', 'tag to find the task by with task list; repeatable', tagOption)
    .option(
      '--deliver <channel:to>',
      'send the answer into a chat, through a node whose OpenClaw has this channel (also <channel>/<account>:<to>)',
      channelDestination,
    )
    .addOption(
      new Option(
        '--notify-webhook <url>',
        'post the answer to this URL as JSON, signed with delivery.webhookSecret',
      ).conflicts('deliver'),
    );
}

/** The further options of `enqueue`. */
export interface PlacedTaskOptions extends TaskOptions {
  key?: string;
  delay?: string;
  node?: string;
  nodeFallback?: boolean;
  require?: Record<string, string>;
  after?: string[];
}

function channelDestination(text: string): ChannelDestination {
  const destination = parseChannelDestination(text);
  if (!destination) throw new InvalidArgumentError(`expected ${CHANNEL_DESTINATION_HINT}`);
  return destination;
}

/** The field `deliver` of these options; they are left out if it is not set. */
function withDestination<T extends Pick<TaskOptions, 'deliver' | 'notifyWebhook'>>({
  deliver,
  notifyWebhook,
  ...fields
}: T): Omit<T, 'deliver' | 'notifyWebhook'> & { deliver?: Destination } {
  const destination = notifyWebhook === undefined ? deliver : { webhook: notifyWebhook };
  return { ...fields, ...(destination !== undefined && { deliver: destination }) };
}

/** Builds the task to validate; the caller removes options that are not fields of a task. */
export function taskInput(message: string, options: PlacedTaskOptions): TaskInput {
  const { tag, ...fields } = withDestination(options);
  return { message, tags: tag ?? {}, ...fields };
}

/** Fields of a task that are set by an argument, or by a flag of another name. */
const FLAGS: Readonly<Record<string, string>> = { message: 'the message', tags: '--tag' };
/** A field that the problem of another field names. */
const OTHER_FIELDS = /\b(requires|with|or) (node|require|after)\b/g;

/**
 * Problems of a task (`idleTimeout: expected …`) in the words of the command line (`--idle-timeout: expected …`). A part
 * of a field becomes its value: `--tag a b: expected a tag name`.
 */
export function inFlags(problems: readonly string[]): string[] {
  return problems.map((problem) => {
    const [, field = '', part = '', text = ''] = /^(\w+)((?:\.[^:]*)?): ([\s\S]*)$/.exec(problem) ?? [];
    if (field === '') return problem;
    const flag = FLAGS[field] ?? `--${field.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    const value = /^\.\d*$/.test(part) ? '' : part.replace('.', ' ');
    return `${flag}${value}: ${text.replace(OTHER_FIELDS, '$1 --$2')}`;
  });
}

/** The same options as defaults for many tasks. */
export function taskFields(options: PlacedTaskOptions): TaskFields {
  const { tag, ...fields } = withDestination(options);
  return { ...fields, ...(tag && { tags: tag }) };
}
