import { createHash } from 'node:crypto';
import type { CronJob, CronJobPart } from '../../domain/cron-job.ts';
import { ClawmeshError, messageOf } from '../../domain/errors.ts';
import type { ScheduleTimes } from '../../domain/schedule.ts';
import type { NewTask } from '../../domain/task.ts';
import { parseNewTask } from '../../queue/new-task.ts';
import { checkTimes } from '../../queue/schedule-times.ts';
import { destinationOf } from './delivery.ts';

/** How to translate jobs. */
export interface TranslateOptions {
  /** Time zone of jobs that name none; undefined if the zone of the gateway's machine is unknown. */
  readonly timezone: string | undefined;
  /** Import jobs although tasks can't send their results where OpenClaw does. */
  readonly withoutDelivery: boolean;
  /** Pool of the tasks; undefined for the default. */
  readonly pool: string | undefined;
  /** Attempts of each task. */
  readonly attempts: number;
  /** ms since the epoch. */
  readonly now: number;
}

/** A job as a schedule of the mesh. */
export interface Translated {
  /** A name for the schedule, made of that of the job. */
  readonly name: string;
  readonly times: ScheduleTimes;
  readonly task: NewTask;
  /** When it is due first, ms since the epoch; only for an interval. */
  readonly firstAt: number | undefined;
  /** Equal for jobs of any gateway that do the same at the same times. */
  readonly digest: string;
}

/** Longest name taken from a job; a suffix may follow. */
const NAME_LENGTH = 50;
/** Fields of a job that have no counterpart in a schedule, and what they mean. */
const CONDITIONS: Readonly<Record<string, string>> = {
  declarationKey: 'OpenClaw or a plugin manages it, and would enable it again',
  trigger: 'it runs only if a script of its own decides so',
  pacing: 'it sets its own pace',
};

/**
 * Translates a job; returns a text that completes "this job stays in OpenClaw:" if a schedule can't do the same. A field
 * that clawmesh does not know is such a reason, too, since it may change what the job does.
 */
export function translate(job: CronJob, options: TranslateOptions): Translated | string {
  const times = timesOf(job, options);
  if (typeof times === 'string') return times;
  const task = taskOf(job, options);
  if (typeof task === 'string') return task;
  const name = nameOf(job);
  const firstAt = times.everyMs === undefined ? undefined : firstTime(job, times.everyMs, options.now);
  const digest = createHash('sha256')
    .update(JSON.stringify([job.name, times, task]))
    .digest('hex');
  return { name, times, task, firstAt, digest };
}

function timesOf(job: CronJob, options: TranslateOptions): ScheduleTimes | string {
  const { kind, ...fields } = job.schedule;
  for (const [field, why] of Object.entries(CONDITIONS)) if (isSet(job[field])) return why;
  if (job.deleteAfterRun === true || kind === 'at') return 'it runs only once';
  if (kind === 'on-exit' || kind === 'stream') return 'it runs when a command of its own reports something';
  const times = kind === 'every' ? everyTimes(fields) : kind === 'cron' ? cronTimes(fields, options) : undefined;
  if (times === undefined) return `it has times of an unknown kind (${kind})`;
  if (typeof times === 'string') return times;
  try {
    checkTimes(times, options.now);
    return times;
  } catch (error) {
    if (error instanceof ClawmeshError) return `its times don't fit a schedule: ${messageOf(error)}`;
    throw error;
  }
}

function everyTimes({ everyMs, anchorMs: _anchor, ...others }: CronJobPart): ScheduleTimes | string {
  return unknownField('times', others) ?? { everyMs: Number(everyMs) };
}

/** OpenClaw spreads jobs at the full hour by up to five minutes (`staggerMs`); the mesh spreads them by its slots. */
function cronTimes({ expr, tz, staggerMs: _stagger, ...others }: CronJobPart, options: TranslateOptions) {
  const unknown = unknownField('times', others);
  if (unknown) return unknown;
  const timezone = typeof tz === 'string' && tz !== '' ? tz : options.timezone;
  if (timezone === undefined) return 'it names no time zone, and its gateway is on another machine (add --tz)';
  const fields = String(expr).trim().split(/\s+/);
  // OpenClaw also takes six fields, of which the first is the second.
  if (fields.length === 6 && fields[0] === '0') fields.shift();
  const cron = fields.join(' ');
  if (meansElse(cron)) return `its cron line ${JSON.stringify(cron)} means something else in a schedule`;
  return { cron, timezone };
}

/**
 * Whether OpenClaw (croner) reads a line in another way than clawmesh, which accepts it, too. For croner, `?` is the
 * current time. If both day fields are restricted, croner matches either of them, even if one begins with `*`.
 */
function meansElse(cron: string): boolean {
  const [, , day = '', , weekday = ''] = cron.split(' ');
  const stepped = (field: string) => field !== '*' && field.startsWith('*');
  return cron.includes('?') || (stepped(day) && weekday !== '*') || (stepped(weekday) && day !== '*');
}

/** When a job with an interval is due next. The gateway knows; its word is taken for at most one interval ahead. */
function firstTime({ nextRunAtMs }: CronJob, everyMs: number, now: number): number {
  const next = nextRunAtMs ?? now + everyMs;
  return Math.min(Math.max(next, now), now + everyMs);
}

function taskOf(job: CronJob, options: TranslateOptions): NewTask | string {
  const { kind, ...fields } = job.payload;
  if (kind === 'systemEvent') return 'it adds an event to the main session of its gateway';
  if (kind === 'command' || kind === 'script') return `it runs a ${kind} on its gateway's machine`;
  if (kind !== 'agentTurn') return `it does something of an unknown kind (${kind})`;
  const session = sessionOf(job);
  if (session && 'why' in session) return session.why;
  const { message, model, thinking, timeoutSeconds, toolsAllow, toolsAllowIsDefault, ...others } = fields;
  if (toolsAllowIsDefault !== true && !allowsAll(toolsAllow)) return 'it limits the tools of its agent';
  if (timeoutSeconds === 0) return 'its runs have no time limit';
  const unknown = unknownField('options', others) ?? accountLimit(job);
  if (unknown) return unknown;
  const destination = destinationOf(job);
  if (typeof destination === 'string' && !options.withoutDelivery) return `its result goes to ${destination}`;
  const task = parseNewTask(
    {
      message,
      ...(job.agentId !== undefined && { agent: job.agentId }),
      ...(session && { session: session.key }),
      ...(model !== undefined && { model }),
      ...(thinking !== undefined && { thinking }),
      ...(timeoutSeconds !== undefined && { timeout: `${Math.max(1, Math.ceil(Number(timeoutSeconds)))}s` }),
      ...(options.pool !== undefined && { pool: options.pool }),
      ...(typeof destination === 'object' && { deliver: destination }),
    },
    { attempts: options.attempts },
  );
  if ('problems' in task) return `its task does not fit: ${task.problems.join('; ')}`;
  return task.after ? 'its message contains {{result:…}}, which a schedule would replace' : task;
}

function allowsAll(tools: unknown): boolean {
  return tools === undefined || (Array.isArray(tools) && tools.includes('*'));
}

/** The session to continue; undefined for a fresh one per run. */
function sessionOf({ sessionTarget }: CronJob): { key: string } | { why: string } | undefined {
  if (sessionTarget === 'isolated') return undefined;
  const [, key] = /^session:(.+)$/.exec(sessionTarget) ?? [];
  if (key !== undefined) return { key };
  return { why: `it runs in the ${sessionTarget} session of its gateway` };
}

/** A job that one account of a chat has made runs with the rights of that account only. */
function accountLimit({ scheduledToolPolicy: policy }: CronJob): string | undefined {
  const isLimited = typeof policy === 'object' && policy !== null && 'mode' in policy && policy.mode !== 'trusted';
  return isLimited ? 'it has only the rights of the account that made it' : undefined;
}

function unknownField(what: string, fields: CronJobPart): string | undefined {
  const name = Object.keys(fields).find((field) => isSet(fields[field]));
  return name === undefined ? undefined : `its ${what} have ${name}, which schedules lack`;
}

function isSet(value: unknown): boolean {
  return value !== undefined && value !== null && value !== false;
}

/** A schedule name for a job: its letters and digits, joined by hyphens. */
function nameOf(job: CronJob): string {
  const plain = job.name.normalize('NFKD').replace(/\p{Mn}/gu, '');
  const words = plain
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== '');
  return words.join('-').slice(0, NAME_LENGTH).replace(/-$/, '') || 'cron-job';
}
