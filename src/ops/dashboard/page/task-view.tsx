import { useEffect, useRef, useState } from 'preact/hooks';
import type { HistoryEntry, Task } from '../../../domain/task.ts';
import { allows, isEnded } from '../../../domain/task-state.ts';
import type { TaskInput } from '../../../queue/new-task.ts';
import { apiPath, request } from './requests.ts';
import { pageLink } from './route.ts';
import { ActionButton, Dialog } from './steering.tsx';
import { StateBadge, Time } from './table.tsx';
import { type Original, TaskForm } from './task-form.tsx';
import { ago, clock, dateTime, number, span } from './words.ts';

const POLL_MS = 1_000;

/** One task with its state, result, history and log; live until it ends. */
export function TaskDialog(props: {
  id: string;
  clockOffset: number;
  steer: boolean;
  pools: readonly string[];
  onClose: () => void;
}) {
  const { id, clockOffset, steer, pools, onClose } = props;
  const { task, log, error } = useTask(id);
  const now = Date.now() + clockOffset;
  return (
    <Dialog title={`Task ${id}`} wide onClose={onClose}>
      {error && (
        <p class="error" role="alert">
          {error}
        </p>
      )}
      {task && (
        <div class="task" data-state={task.state}>
          <div class="summary">
            <p>
              <StateBadge state={task.state} /> {summaryWords(task, now)}
            </p>
            {steer && <TaskActions task={task} pools={pools} onRemoved={onClose} />}
          </div>
          {task.heldBy && <p class="gate">held: {task.heldBy}</p>}
          {task.error && (
            <div class="trouble">
              <h3>{task.state === 'failed' ? 'Error' : 'Error of the last attempt'}</h3>
              <p>
                {task.error.kind}: {task.error.message}
              </p>
            </div>
          )}
          <h3>Message</h3>
          <pre>{task.message}</pre>
          {task.result && (
            <>
              <h3>Answer</h3>
              <pre>{task.result.text}</pre>
            </>
          )}
          <Details task={task} now={now} />
          <h3>History</h3>
          <History entries={task.history} now={now} />
          <Log lines={log} isLive={!isEnded(task.state)} />
        </div>
      )}
    </Dialog>
  );
}

function summaryWords({ pool, node, attempts, handovers, enqueuedAt }: Task, now: number): string {
  const moved = handovers === 0 ? [] : [handovers === 1 ? '1 handover' : `${handovers} handovers`];
  return [
    `pool ${pool}`,
    ...(node ? [`node ${node}`] : []),
    `attempt ${attempts.made} of ${attempts.max}`,
    ...moved,
    `enqueued ${ago(enqueuedAt, now)}`,
  ].join(' · ');
}

function TaskActions({ task, pools, onRemoved }: { task: Task; pools: readonly string[]; onRemoved: () => void }) {
  const { id, state } = task;
  return (
    <div class="buttons">
      {allows(state, 'retry') && (
        <ActionButton
          action={{
            label: 'Retry',
            question: 'Retry this task, with its original number of attempts?',
            path: apiPath('tasks', id, 'retry'),
          }}
        />
      )}
      <RerunButton id={id} pools={pools} />
      {state === 'failed' && task.acknowledgedAt === null && (
        <ActionButton
          action={{
            label: 'Acknowledge',
            question: 'Acknowledge this failure? The task is kept, but no longer reported as a problem.',
            path: apiPath('tasks', id, 'ack'),
          }}
        />
      )}
      {allows(state, 'cancel') && (
        <ActionButton
          action={{
            label: 'Cancel',
            danger: true,
            question: 'Cancel this task? Its node stops the run.',
            path: apiPath('tasks', id, 'cancel'),
          }}
        />
      )}
      {isEnded(state) && (
        <ActionButton
          action={{
            label: 'Remove',
            danger: true,
            question: "Remove this task, with its result and log? This can't be undone.",
            path: apiPath('tasks', id),
            method: 'DELETE',
            onDone: onRemoved,
          }}
        />
      )}
    </div>
  );
}

/** Opens the form with the task's input. */
function RerunButton({ id, pools }: { id: string; pools: readonly string[] }) {
  const [original, setOriginal] = useState<Original>();
  const [error, setError] = useState('');
  const ask = () => {
    request<TaskInput>(apiPath('tasks', id, 'input')).then(
      (input) => setOriginal({ id, input }),
      (thrown: Error) => setError(thrown.message),
    );
  };
  return (
    <>
      <button type="button" onClick={ask}>
        Run again…
      </button>
      {error && (
        <p class="error" role="alert">
          {error}
        </p>
      )}
      {original && <TaskForm pools={pools} original={original} onClose={() => setOriginal(undefined)} />}
    </>
  );
}

function Details({ task, now }: { task: Task; now: number }) {
  const { agent, session, model, thinking, priority, key, tags, target, progress, sessionMovedFrom, result } = task;
  const ran = task.startedAt && Date.parse(task.finishedAt ?? new Date(now).toISOString()) - Date.parse(task.startedAt);
  const rows = Object.entries({
    enqueued: dateTime(task.enqueuedAt),
    started: task.startedAt && dateTime(task.startedAt),
    finished: task.finishedAt && dateTime(task.finishedAt),
    'delayed until': task.delayedUntil && dateTime(task.delayedUntil),
    acknowledged: task.acknowledgedAt && dateTime(task.acknowledgedAt),
    run: ran !== null && (task.finishedAt || task.state === 'active') ? span(Number(ran)) : null,
    deadline: task.timeoutMs && span(task.timeoutMs),
    agent,
    session,
    'session moved from': sessionMovedFrom,
    model: result?.model ?? model,
    thinking,
    tokens: result?.usage && number(result.usage.total),
    priority: priority || null,
    key,
    target,
    progress: progress && `${progress.note}${progress.tokens === null ? '' : ` (${number(progress.tokens)} tokens)`}`,
  }).filter(([, value]) => value !== null && value !== undefined && value !== '');
  return (
    <dl>
      {rows.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{String(value)}</dd>
        </div>
      ))}
      {Object.keys(tags).length > 0 && (
        <div>
          <dt>tags</dt>
          <dd>
            {Object.entries(tags).map((pair) => {
              const tag = pair.join('=');
              return (
                <a key={tag} class="tag" href={pageLink('tasks', { tag })}>
                  {tag}
                </a>
              );
            })}
          </dd>
        </div>
      )}
    </dl>
  );
}

function History({ entries, now }: { entries: readonly HistoryEntry[]; now: number }) {
  return (
    <ol class="history">
      {entries.map(({ at, event, node, attempt, reason }, index) => {
        const before = entries[index - 1];
        const since = before ? Date.parse(at) - Date.parse(before.at) : 0;
        return (
          <li key={`${at} ${event}`} class={event}>
            <Time at={at}>{clock(Date.parse(at))}</Time> <b>{event}</b>
            {node ? ` on ${node}` : ''}
            {attempt ? `, attempt ${attempt}` : ''}
            {reason ? `: ${reason}` : ''}{' '}
            {before ? <span class="dim">+{span(since)}</span> : <span class="dim">{ago(at, now)}</span>}
          </li>
        );
      })}
    </ol>
  );
}

/** The log; while it follows, its end stays in view. */
function Log({ lines, isLive }: { lines: readonly string[]; isLive: boolean }) {
  const [follows, setFollows] = useState(true);
  const box = useRef<HTMLPreElement>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: new lines move the end
  useEffect(() => {
    if (follows && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [lines, follows]);
  // A person who scrolls up wants to read; at the end again, the log follows again.
  const scrolled = () => {
    const { scrollTop = 0, scrollHeight = 0, clientHeight = 0 } = box.current ?? {};
    setFollows(scrollHeight - scrollTop - clientHeight < 24);
  };
  return (
    <section aria-labelledby="log-title">
      <div class="log-head">
        <h3 id="log-title">Log</h3>
        {lines.length > 0 && isLive && (
          <label>
            <input type="checkbox" checked={follows} onChange={(event) => setFollows(event.currentTarget.checked)} />{' '}
            Follow
          </label>
        )}
      </div>
      {lines.length === 0 ? (
        <p class="empty">No log lines.</p>
      ) : (
        <pre
          class="log"
          ref={box}
          // biome-ignore lint/a11y/noNoninteractiveTabindex: the keyboard must reach what scrolls
          tabIndex={0}
          role="log"
          aria-live="off"
          aria-labelledby="log-title"
          onScroll={scrolled}
        >
          {lines.join('\n')}
        </pre>
      )}
    </section>
  );
}

function useTask(id: string) {
  const [task, setTask] = useState<Task>();
  const [log, setLog] = useState<readonly string[]>([]);
  const [error, setError] = useState('');
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let isOpen = true;
    const look = async (from: number) => {
      try {
        const [fresh, { lines }] = await Promise.all([
          request<Task>(apiPath('tasks', id)),
          request<{ lines: string[] }>(`${apiPath('tasks', id, 'logs')}?from=${from}`),
        ]);
        if (!isOpen) return;
        setTask(fresh);
        if (lines.length > 0 || from === 0) setLog((known) => [...known.slice(0, from), ...lines]);
        setError('');
        timer = setTimeout(() => void look(from + lines.length), POLL_MS * (isEnded(fresh.state) ? 3 : 1));
      } catch (thrown) {
        if (!isOpen) return;
        setError((thrown as Error).message);
        timer = setTimeout(() => void look(from), 3 * POLL_MS);
      }
    };
    void look(0);
    return () => {
      isOpen = false;
      clearTimeout(timer);
    };
  }, [id]);
  return { task, log, error };
}
