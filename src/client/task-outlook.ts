import { sessionOf } from '../domain/target.ts';
import type { NewTask } from '../domain/task.ts';
import { isEnded, type TaskState } from '../domain/task-state.ts';
import type { ClientContext } from './context.ts';

/** What the mesh knows that concerns a task which is not queued yet. */
export interface TaskOutlook {
  /** The task that its idempotency key belongs to, `gone` if it was removed; null if the key is free. */
  readonly keyOwner: { readonly id: string; readonly state: TaskState | 'gone' } | null;
  /** The sticky node of its session; null if there is none. */
  readonly stickyNode: string | null;
  /** Id of the task that its session is busy with; null if it is not. */
  readonly sessionTask: string | null;
  /** Ids of the tasks that it comes after and that have not completed. */
  readonly after: readonly string[];
}

/** Looks up what concerns this task; changes nothing. */
export async function taskOutlook(context: ClientContext, task: NewTask): Promise<TaskOutlook> {
  const [keyOwner, session, after] = await Promise.all([
    ownerOfKey(context, task.key),
    sessionState(context, sessionOf(task)),
    openTasks(context, task.after ?? []),
  ]);
  return { keyOwner, ...session, after };
}

async function ownerOfKey(
  { redis, keys, reader }: ClientContext,
  key: string | undefined,
): Promise<TaskOutlook['keyOwner']> {
  const owner = key === undefined ? null : await redis.get(keys.idempotency(key));
  const [pool, id, ended] = owner?.split(' ') ?? [];
  if (pool === undefined || id === undefined) return null;
  const [state] = await reader.states([{ id, pool }]);
  // The key of a task that vanished otherwise may be used again.
  return state === undefined && ended === undefined ? null : { id, state: state ?? 'gone' };
}

async function sessionState(
  { redis, keys }: ClientContext,
  session: string | undefined,
): Promise<Pick<TaskOutlook, 'stickyNode' | 'sessionTask'>> {
  if (session === undefined) return { stickyNode: null, sessionTask: null };
  const [stickyNode = null, current = null] = await redis.hmget(`${keys.sessionPrefix}${session}`, 'node', 'task');
  const [pool = '', ...id] = current?.split(':') ?? [];
  const [queuedAt, finishedOn] =
    current === null ? [null] : await redis.hmget(keys.task(pool, id.join(':')), 'timestamp', 'finishedOn');
  const isBusy = queuedAt !== null && finishedOn === null;
  return { stickyNode, sessionTask: isBusy ? id.join(':') : null };
}

async function openTasks({ reader }: ClientContext, after: NonNullable<NewTask['after']>): Promise<string[]> {
  const states = await reader.states(after);
  return after.flatMap(({ id }, index) => {
    const state = states[index];
    return state !== undefined && isEnded(state) ? [] : [id];
  });
}
