import { useEffect, useRef, useState } from 'preact/hooks';
import type { Handover } from '../../../domain/handover.ts';
import type { Task } from '../../../domain/task.ts';
import { TASK_STATES } from '../../../domain/task-state.ts';
import { MARKS } from '../../problems.ts';
import type { Snapshot } from '../../snapshot.ts';
import { request } from './requests.ts';
import { ActionButton } from './steering.tsx';
import { ago, short, span } from './words.ts';

/** The problems of the mesh, with their remedies. */
export function Problems({ problems }: Pick<Snapshot, 'problems'>) {
  if (problems.length === 0) return null;
  return (
    <section class="problems" aria-label="Problems">
      <ul>
        {problems.map(({ severity, what, fix }) => (
          <li key={what} class={severity}>
            <b>{MARKS[severity]}</b>
            <span>
              {what}
              <small>→ {fix}</small>
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}

export function Running({ running, moreRunning, now }: Pick<Snapshot, 'running' | 'moreRunning'> & { now: number }) {
  if (running.length === 0) return null;
  return (
    <section class="panel" aria-labelledby="running-title">
      <header>
        <h2 id="running-title">Running</h2>
        {moreRunning > 0 && <p class="dim">longest first; {moreRunning} more are not shown</p>}
      </header>
      <Table head={['Task', 'Node', 'Pool', 'For', 'Attempt', 'Tokens', 'Message']} empty="">
        {running.map(({ id, node, pool, startedAt, attempt, tokens, message }) => (
          <tr key={id}>
            <td>
              <TaskLink id={id} />
            </td>
            <td>{node ?? '–'}</td>
            <td>{pool}</td>
            <td>{startedAt === null ? '–' : span(now - Date.parse(startedAt))}</td>
            <td>{attempt}</td>
            <td>{tokens ?? '–'}</td>
            <td class="message">{message}</td>
          </tr>
        ))}
      </Table>
    </section>
  );
}

export function Pools({ pools, oldestWaiting, steer }: Pick<Snapshot, 'pools' | 'oldestWaiting'> & { steer: boolean }) {
  return (
    <section class="panel" aria-labelledby="pools-title">
      <header>
        <h2 id="pools-title">Pools</h2>
        {oldestWaiting && (
          <p class="dim">
            oldest waiting: <TaskLink id={oldestWaiting.id} />, enqueued {span(oldestWaiting.waitingMs)} ago
          </p>
        )}
      </header>
      <Table
        head={['Pool', 'Waiting', 'Active', 'Delayed', 'Completed', 'Failed', 'Cancelled', ...(steer ? [''] : [])]}
        empty="No task was ever enqueued."
      >
        {Object.entries(pools).map(([pool, counts]) => (
          <tr key={pool} data-pool={pool}>
            <th scope="row">
              {pool} {counts.paused && <span class="state gated">paused</span>}
            </th>
            {(['waiting', 'active', 'delayed', 'completed', 'failed', 'cancelled'] as const).map((state) => (
              <td key={state} class="number">
                {counts[state].toLocaleString('en')}
              </td>
            ))}
            {steer && (
              <td>
                <ActionButton
                  action={
                    counts.paused
                      ? {
                          label: 'Resume',
                          question: `Let nodes claim tasks from pool ${pool} again?`,
                          path: `/api/pools/${pool}/resume`,
                        }
                      : {
                          label: 'Pause',
                          question: `Stop all nodes from claiming tasks from pool ${pool}? Running tasks continue.`,
                          path: `/api/pools/${pool}/pause`,
                        }
                  }
                />
              </td>
            )}
          </tr>
        ))}
      </Table>
    </section>
  );
}

/** The handover log; `signal` changes when there may be new entries. */
export function Handovers({ signal, now }: { signal: string; now: number }) {
  const handovers = useFetched<{ handovers: Handover[] }>('/api/handovers?limit=30', signal)?.handovers ?? [];
  return (
    <section class="panel" aria-labelledby="handovers-title">
      <header>
        <h2 id="handovers-title">Handovers</h2>
      </header>
      <Table
        head={['When', 'Task', 'From', 'To', 'Reason', 'Ran for', 'Takeover']}
        empty="No task was ever handed over."
      >
        {handovers.map(({ at, taskId, from, to, reason, ranMs, takeoverMs }) => (
          <tr key={`${taskId} ${at}`}>
            <td>{ago(at, now)}</td>
            <td>
              <TaskLink id={taskId} />
            </td>
            <td>{from}</td>
            <td>{to ?? '–'}</td>
            <td>{reason}</td>
            <td>{span(ranMs)}</td>
            <td>{takeoverMs === null ? '–' : span(takeoverMs)}</td>
          </tr>
        ))}
      </Table>
    </section>
  );
}

/** The newest matching tasks. */
export function Tasks({
  signal,
  pools,
  nodes,
  now,
}: {
  signal: string;
  pools: readonly string[];
  nodes: readonly string[];
  now: number;
}) {
  const [filter, setFilter] = useState({ state: '', pool: '', node: '' });
  const query = new URLSearchParams({ ...filter, limit: '50' });
  const tasks = useFetched<{ tasks: Task[] }>(`/api/tasks?${query}`, signal)?.tasks ?? [];
  const choice = (name: keyof typeof filter, options: readonly string[]) => (
    <label>
      {name}
      <select value={filter[name]} onChange={(event) => setFilter({ ...filter, [name]: event.currentTarget.value })}>
        <option value="">any</option>
        {options.map((option) => (
          <option key={option}>{option}</option>
        ))}
      </select>
    </label>
  );
  return (
    <section class="panel" aria-labelledby="tasks-title">
      <header>
        <h2 id="tasks-title">Tasks</h2>
        <div class="filters">
          {choice('state', TASK_STATES)}
          {choice('pool', pools)}
          {choice('node', nodes)}
        </div>
      </header>
      <Table head={['Task', 'State', 'Node', 'Attempts', 'Enqueued', 'Message']} empty="No task matches.">
        {tasks.map((task) => (
          <tr key={task.id}>
            <td>
              <TaskLink id={task.id} />
            </td>
            <td>
              <span class={`state ${task.state}`}>{task.state}</span>
            </td>
            <td>{task.node ?? '–'}</td>
            <td>
              {task.attempts.made}/{task.attempts.max}
              {task.handovers > 0 ? `, ${task.handovers} ⇄` : ''}
            </td>
            <td>{ago(task.enqueuedAt, now)}</td>
            <td class="message">{task.message.slice(0, 120)}</td>
          </tr>
        ))}
      </Table>
    </section>
  );
}

function TaskLink({ id }: { id: string }) {
  return (
    <a href={`#/task/${id}`} title={id}>
      <code>{short(id)}</code>
    </a>
  );
}

function Table(props: { head: readonly string[]; empty: string; children: preact.ComponentChildren[] }) {
  if (props.children.flat().length === 0) return <p class="empty">{props.empty}</p>;
  return (
    <div class="scroll">
      <table>
        <thead>
          <tr>
            {props.head.map((title) => (
              <th key={title} scope="col">
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{props.children}</tbody>
      </table>
    </div>
  );
}

/** The server's response, fetched again when the path or the signal changes, at most once a second per path. */
function useFetched<T>(path: string, signal: string): T | undefined {
  const [answer, setAnswer] = useState<T>();
  const asked = useRef({ path: '', signal: '', at: 0 });
  useEffect(() => {
    const { current } = asked;
    if (current.path === path && current.signal === signal) return;
    const waitMs = current.path === path ? Math.max(0, current.at + 1_000 - Date.now()) : 0;
    const timer = setTimeout(() => {
      asked.current = { path, signal, at: Date.now() };
      request<T>(path).then(
        (fresh) => {
          if (asked.current.path === path) setAnswer(fresh);
        },
        () => {},
      );
    }, waitMs);
    return () => clearTimeout(timer);
  }, [path, signal]);
  return answer;
}
