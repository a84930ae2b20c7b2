import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { counted } from '../../../domain/counted.ts';
import type { Task } from '../../../domain/task.ts';
import { allows } from '../../../domain/task-state.ts';
import type { SteeredTasks, TaskAction } from '../../task-actions.ts';
import { apiPath, request } from './requests.ts';
import { Dialog } from './steering.tsx';
import { number } from './words.ts';

/** Maximum number of tasks per action; the server lists no more at once. */
const MOST = 1_000;
/** Tasks per request: cancelling a run can take seconds, and the progress should show. */
const AT_ONCE = 50;
const MOST_ERRORS = 5;

/** The fields by which {@link isPossible} decides. */
export type BulkTask = Pick<Task, 'id' | 'state' | 'acknowledgedAt'>;

/** Tasks to act on: certain ones, or all that match a filter of the tasks page. */
export type BulkTarget = { readonly tasks: readonly BulkTask[] } | { readonly filter: URLSearchParams };

const WORDS: Readonly<Record<TaskAction, { label: string; done: string; question: (tasks: string) => string }>> = {
  retry: {
    label: 'Retry',
    done: 'queued again',
    question: (tasks) => `Queue ${tasks} again, with the original number of attempts?`,
  },
  cancel: {
    label: 'Cancel',
    done: 'cancelled',
    question: (tasks) => `Cancel ${tasks}? Nodes stop the runs that are running.`,
  },
  ack: {
    label: 'Acknowledge',
    done: 'acknowledged',
    question: (tasks) => `Acknowledge ${tasks}? Failed tasks are kept, but no longer reported as a problem.`,
  },
  remove: {
    label: 'Remove',
    done: 'removed',
    question: (tasks) => `Remove ${tasks}, with results and logs? This can't be undone.`,
  },
};

/** Whether the action makes sense for a task. */
export function isPossible(action: TaskAction, { state, acknowledgedAt }: BulkTask): boolean {
  return action === 'ack' ? state === 'failed' && acknowledgedAt === null : allows(state, action);
}

/** A button that applies an action to many tasks, after a question that says how many they are. */
export function BulkButton(props: { action: TaskAction; target: BulkTarget; label?: string; onDone?: () => void }) {
  const [asking, setAsking] = useState(false);
  const { action, target, label = WORDS[action].label, onDone } = props;
  const close = (acted: boolean) => {
    setAsking(false);
    if (acted) onDone?.();
  };
  return (
    <>
      <button
        type="button"
        class={action === 'cancel' || action === 'remove' ? 'danger' : ''}
        onClick={() => setAsking(true)}
      >
        {label}
      </button>
      {asking && <BulkDialog action={action} target={target} onClose={close} />}
    </>
  );
}

function BulkDialog(props: { action: TaskAction; target: BulkTarget; onClose: (acted: boolean) => void }) {
  const { action, target } = props;
  const { label, done, question } = WORDS[action];
  const { found, error } = useTargets(action, target);
  const { state, start, stop } = useRun(action);
  const ids = found?.ids ?? [];
  const total = ids.length;
  const onClose = () => props.onClose(state !== undefined);
  return (
    <Dialog title={`${label} tasks`} onClose={onClose}>
      {error && (
        <p class="error" role="alert">
          {error}
        </p>
      )}
      {!found && !error && <p>Counting the tasks…</p>}
      {found && state === undefined && (
        <p>
          {total === 0 ? `No task can be ${done}.` : question(`${number(total)} ${total === 1 ? 'task' : 'tasks'}`)}
        </p>
      )}
      {found?.more && state === undefined && (
        <p class="dim">More tasks match. These are the newest ones; repeat the action for the rest.</p>
      )}
      {state && (
        <div role="status">
          <progress value={state.done + state.failed} max={total} aria-label="Tasks done" />
          <p>
            {number(state.done)} of {number(total)} {done}
            {state.failed > 0 && `, ${state.failed} not`}
          </p>
        </div>
      )}
      {state && state.errors.length > 0 && (
        <ul class="error">
          {state.errors.map((text) => (
            <li key={text}>{text}</li>
          ))}
        </ul>
      )}
      <div class="buttons">
        {state?.running ? (
          <button type="button" onClick={stop}>
            Stop
          </button>
        ) : (
          <button type="button" onClick={onClose}>
            {state || total === 0 ? 'Close' : 'No'}
          </button>
        )}
        {!state && total > 0 && (
          <button
            type="button"
            class={action === 'cancel' || action === 'remove' ? 'danger' : 'primary'}
            onClick={() => start(ids)}
          >
            Yes, {label.toLowerCase()} {counted(total, 'task')}
          </button>
        )}
      </div>
    </Dialog>
  );
}

interface Found {
  readonly ids: readonly string[];
  /** Whether further tasks match. */
  readonly more: boolean;
}

/** The tasks that the action is possible for, as they are when the dialog opens. */
function useTargets(action: TaskAction, target: BulkTarget): { found: Found | undefined; error: string } {
  const [found, setFound] = useState<Found>();
  const [error, setError] = useState('');
  const asked = useRef(false);
  useEffect(() => {
    if (asked.current) return;
    asked.current = true;
    const take = (tasks: readonly BulkTask[], more: boolean) =>
      setFound({ ids: tasks.filter((task) => isPossible(action, task)).map(({ id }) => id), more });
    if ('tasks' in target) return take(target.tasks, false);
    const query = new URLSearchParams(target.filter);
    query.delete('cursor');
    query.set('limit', String(MOST));
    query.set('fields', 'id,state,acknowledgedAt');
    request<{ tasks: BulkTask[]; next: string | null; complete: boolean }>(`${apiPath('tasks')}?${query}`).then(
      ({ tasks, next, complete }) => take(tasks, next !== null || !complete),
      (thrown: Error) => setError(thrown.message),
    );
  }, [action, target]);
  return { found, error };
}

interface RunState {
  readonly running: boolean;
  readonly done: number;
  readonly failed: number;
  readonly errors: readonly string[];
}

/** Applies the action, some tasks per request, until all are done or it is stopped. */
function useRun(action: TaskAction) {
  const [state, setState] = useState<RunState>();
  const stopped = useRef(false);
  const run = async (ids: readonly string[]) => {
    let now: RunState = { running: true, done: 0, failed: 0, errors: [] };
    setState(now);
    for (let start = 0; start < ids.length && !stopped.current; start += AT_ONCE) {
      const some = ids.slice(start, start + AT_ONCE);
      const result = await request<SteeredTasks>(apiPath('tasks', action), { ids: some }).catch((thrown: Error) => {
        stopped.current = true;
        return { tasks: [], errors: [thrown.message] };
      });
      now = {
        running: true,
        done: now.done + result.tasks.length,
        failed: now.failed + result.errors.length,
        errors: [...now.errors, ...result.errors].slice(0, MOST_ERRORS),
      };
      setState(now);
    }
    setState({ ...now, running: false });
  };
  const stop = useCallback(() => {
    stopped.current = true;
  }, []);
  useEffect(() => stop, [stop]);
  return { state, start: (ids: readonly string[]) => void run(ids), stop };
}
