import type { Redis } from 'ioredis';
import { Packr } from 'msgpackr';
import { ClawmeshError } from '../../domain/errors.ts';
import type { MeshKeys } from '../../redis/keys.ts';
import { readLua, Script } from '../../redis/scripts.ts';
import type { StoredSchedule } from '../stored-schedule.ts';
import { bullScript, patched } from './bull-scripts.ts';

const addJobScheduler = bullScript('addJobScheduler-11');

/** What the caller has seen in Redis, with which the next task of a schedule is queued. */
export interface Seen {
  /** The schedule as it was read (JSON); '' where there must be none. */
  readonly text: string;
  /** When the task was due that was its next one, as Redis has it (ms); '' where there must be none. */
  readonly due: string;
}

/** So many schedules are enough for a small team, and looked through within a second. */
export const MOST_SCHEDULES = 1_000;

/** Result codes of the script. The first two of ours mean that somebody else was faster. */
const CODES = { changed: -30, tooMany: -31, otherNext: -32, foreign: -33 };

// BullMQ's scripts unpack MessagePack maps, not msgpackr's own records.
const packer = new Packr({ useRecords: false });

const script = new Script(
  'arm-schedule',
  [
    readLua('arm-schedule.prelude'),
    'local function bullScript()',
    patched(addJobScheduler, [
      // It takes the task before this one out of the queue, and may have begun, or wait for its session, by then.
      { from: 'if rcall("EXISTS", currentJobKey) == 1 then', to: 'if false then' },
    ]),
    'end',
    'local reply = bullScript()',
    readLua('arm-schedule.epilogue'),
  ].join('\n'),
);

/** The text of BullMQ's that is wrapped, for the test that pins it. */
export const wrappedText = addJobScheduler.content;

/**
 * Stores a schedule with its next task, due at `next` (ms; an interval's is reckoned in Redis), if everything still is as the
 * caller has seen it. Answers false where it is not.
 *
 * @throws ClawmeshError `failed` where there are too many schedules, or another program has one of that name.
 */
export async function armSchedule(
  redis: Redis,
  keys: MeshKeys,
  options: { name: string; stored: StoredSchedule; seen: Seen; next: number },
): Promise<boolean> {
  const { name, stored, seen, next } = options;
  const { pool, cron, timezone, everyMs, task, priority } = stored;
  const repeat = cron === undefined ? { every: everyMs } : { pattern: cron, ...(timezone && { tz: timezone }) };
  const template = { attempts: task.attempts, ...(priority > 0 && { priority }) };
  const states = [
    'repeat',
    'delayed',
    'wait',
    'paused',
    'meta',
    'prioritized',
    'marker',
    'id',
    'events',
    'pc',
    'active',
  ];
  const reply = await script.run(
    redis,
    [...states.map((what) => keys.pool(pool, what)), keys.schedules, keys.pools],
    [
      next,
      packer.pack({ name: 'task', ...repeat }),
      name,
      JSON.stringify(task),
      packer.pack(template),
      packer.pack({ ...template, repeat: { ...repeat, count: 1 } }),
      '',
      keys.pool(pool, ''),
      '',
      seen.text,
      JSON.stringify(stored),
      seen.due,
      MOST_SCHEDULES,
      pool,
    ],
  );
  if (typeof reply !== 'number') return true;
  if (reply === CODES.changed || reply === CODES.otherNext) return false;
  if (reply === CODES.tooMany) {
    throw new ClawmeshError('failed', `there are ${MOST_SCHEDULES} schedules already`, {
      remedy: 'first: clawmesh schedule remove one that is not needed any more',
    });
  }
  if (reply === CODES.foreign) {
    throw new ClawmeshError('failed', `another program has a BullMQ job scheduler ${name} in pool ${pool}`, {
      remedy: 'take another name, or remove it with BullMQ',
    });
  }
  throw new ClawmeshError('failed', `BullMQ has a task at the next time of schedule ${name} (code ${reply})`);
}
