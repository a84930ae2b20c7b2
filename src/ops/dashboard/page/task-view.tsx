import { useEffect, useState } from 'preact/hooks';
import type { Task } from '../../../domain/task.ts';
import { allows, isEnded } from '../../../domain/task-state.ts';
import { request } from './requests.ts';
import { ActionButton, Dialog } from './steering.tsx';
import { ago, span } from './words.ts';

const POLL_MS = 1_000;

/** One task with its state, result, history and log; live until it ends. */
export function TaskDialog({ id, clockOffset, steer }: { id: string; clockOffset: number; steer: boolean }) {
  const { task, log, error } = useTask(id);
  const now = Date.now() + clockOffset;
  const close = () => {
    location.hash = '';
  };
  return (
    <Dialog title={`Task ${id}`} wide onClose={close}>
      {error && (
        <p class="error" role="alert">
          {error}
        </p>
      )}
      {task && (
        <div class="task" data-state={task.state}>
          <p>
            <span class={`state ${task.state}`}>{task.state}</span> pool {task.pool} · node {task.node ?? '–'} · attempt{' '}
            {task.attempts.made} of {task.attempts.max} ·{' '}
            {task.handovers === 1 ? '1 handover' : `${task.handovers} handovers`} · enqueued {ago(task.enqueuedAt, now)}
          </p>
          {task.heldBy && <p class="gate">held: {task.heldBy}</p>}
          {steer && (
            <div class="buttons">
              {allows(task.state, 'retry') && (
                <ActionButton
                  action={{
                    label: 'Retry',
                    question: 'Retry this task, with its original number of attempts?',
                    path: `/api/tasks/${id}/retry`,
                  }}
                />
              )}
              {allows(task.state, 'cancel') && (
                <ActionButton
                  action={{
                    label: 'Cancel',
                    danger: true,
                    question: 'Cancel this task? Its node stops the run.',
                    path: `/api/tasks/${id}/cancel`,
                  }}
                />
              )}
            </div>
          )}
          <h3>Message</h3>
          <pre>{task.message}</pre>
          <Details task={task} />
          {task.error && (
            <>
              <h3>Error</h3>
              <pre class="error">
                {task.error.kind}: {task.error.message}
              </pre>
            </>
          )}
          {task.result && (
            <>
              <h3>Answer</h3>
              <pre>{task.result.text}</pre>
              <p class="dim">
                {task.result.usage ? `${task.result.usage.total} tokens · ` : ''}
                {task.result.model ?? ''} {span(task.result.durationMs)}
              </p>
            </>
          )}
          <h3>History</h3>
          <ol class="history">
            {task.history.map(({ at, event, node, attempt, reason }) => (
              <li key={`${at} ${event}`}>
                <time dateTime={at}>{new Date(at).toLocaleTimeString([], { hour12: false })}</time> <b>{event}</b>
                {node ? ` on ${node}` : ''}
                {attempt ? `, attempt ${attempt}` : ''}
                {reason ? `: ${reason}` : ''}
              </li>
            ))}
          </ol>
          <h3>Log</h3>
          {log.length === 0 ? <p class="empty">No log lines.</p> : <pre class="log">{log.join('\n')}</pre>}
        </div>
      )}
    </Dialog>
  );
}

function Details({ task }: { task: Task }) {
  const { agent, session, model, thinking, priority, key, tags, target, progress, sessionMovedFrom } = task;
  const rows = Object.entries({
    agent,
    session,
    model,
    thinking,
    key,
    target,
    'session moved from': sessionMovedFrom,
    priority: priority || null,
    progress: progress && `${progress.note}${progress.tokens === null ? '' : ` (${progress.tokens} tokens)`}`,
    tags:
      Object.entries(tags)
        .map((pair) => pair.join('='))
        .join(', ') || null,
  }).filter(([, value]) => value !== null);
  if (rows.length === 0) return null;
  return (
    <dl>
      {rows.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{String(value)}</dd>
        </div>
      ))}
    </dl>
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
          request<Task>(`/api/tasks/${id}`),
          request<{ lines: string[] }>(`/api/tasks/${id}/logs?from=${from}`),
        ]);
        if (!isOpen) return;
        setTask(fresh);
        setLog((known) => [...known.slice(0, from), ...lines]);
        setError('');
        timer = setTimeout(() => void look(from + lines.length), POLL_MS * (isEnded(fresh.state) ? 3 : 1));
      } catch (thrown) {
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
