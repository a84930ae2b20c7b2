import { useState } from 'preact/hooks';
import type { Task } from '../../../domain/task.ts';
import type { Snapshot } from '../../snapshot.ts';
import type { TaskAction } from '../../task-actions.ts';
import { BulkButton, isPossible } from './bulk.tsx';
import { useFetched } from './fetched.ts';
import { open } from './open.ts';
import { apiPath } from './requests.ts';
import { changedLink, taskLink } from './route.ts';
import { FetchError, Panel, StateBadge, Table, Time } from './table.tsx';
import { TaskFilters } from './task-filters.tsx';
import { ago, number, short, spanOrDash } from './words.ts';

/** Tasks per page. */
const PAGE = 50;
/** Longest part of a message in the list, characters. */
const EXCERPT = 160;
/** A list that is read again with each change of a task would show nothing in rest on a busy mesh, ms. */
const REFRESH_MS = 2_000;
const ACTIONS = ['retry', 'cancel', 'ack', 'remove'] as const satisfies readonly TaskAction[];
const LABELS: Readonly<Record<TaskAction, string>> = {
  retry: 'Retry',
  cancel: 'Cancel',
  ack: 'Acknowledge',
  remove: 'Remove',
};

const FIELDS = [
  'id',
  'pool',
  'state',
  'message',
  'node',
  'attempts',
  'handovers',
  'tags',
  'enqueuedAt',
  'startedAt',
  'finishedAt',
  'delayedUntil',
  'heldBy',
  'error',
  'acknowledgedAt',
] as const satisfies readonly (keyof Task)[];
type ListedTask = Pick<Task, (typeof FIELDS)[number]>;

interface TaskPage {
  readonly tasks: readonly ListedTask[];
  readonly next: string | null;
  readonly complete: boolean;
}

/** Tasks with filters, which are in the address, and actions on many of them. */
export function TasksPage(props: {
  query: URLSearchParams;
  /** Changes with any change of a task. */
  signal: string;
  snapshot: Snapshot;
  nodes: readonly string[];
  now: number;
  steer: boolean;
}) {
  const { query, signal, snapshot, nodes, now, steer } = props;
  const asked = new URLSearchParams(query);
  asked.set('limit', String(PAGE));
  asked.set('excerpt', String(EXCERPT));
  asked.set('fields', FIELDS.join(','));
  const { data, error, reload } = useFetched<TaskPage>(`${apiPath('tasks')}?${asked}`, signal, REFRESH_MS);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const tasks = data?.tasks ?? [];
  const selected = tasks.filter(({ id }) => chosen.has(id));
  const choose = (ids: readonly string[], isChosen: boolean) => {
    const next = new Set(chosen);
    for (const id of ids) {
      if (isChosen) next.add(id);
      else next.delete(id);
    }
    setChosen(next);
  };
  const isFiltered = [...query.keys()].some((name) => name !== 'cursor');
  const done = () => {
    setChosen(new Set());
    reload();
  };
  return (
    <Panel id="tasks" title="Tasks">
      <TaskFilters query={query} pools={snapshot.pools} nodes={nodes} />
      <FetchError error={error} />
      {steer && tasks.length > 0 && (
        <div class="bulk">
          <label>
            <input
              type="checkbox"
              checked={selected.length === tasks.length}
              onChange={(event) =>
                choose(
                  tasks.map(({ id }) => id),
                  event.currentTarget.checked,
                )
              }
            />{' '}
            {selected.length > 0 ? `${number(selected.length)} selected` : 'Select this page'}
          </label>
          <div class="buttons">
            {ACTIONS.map((action) => {
              if (selected.length === 0) {
                // Without a filter, one click too many would steer the whole mesh.
                if (!isFiltered) return null;
                const label = `${LABELS[action]} all matching…`;
                const possible = tasks.some((task) => isPossible(action, task));
                return (
                  possible && (
                    <BulkButton key={action} action={action} target={{ filter: query }} label={label} onDone={done} />
                  )
                );
              }
              const possible = selected.filter((task) => isPossible(action, task));
              const label = `${LABELS[action]} ${possible.length}…`;
              return (
                possible.length > 0 && (
                  <BulkButton key={action} action={action} target={{ tasks: possible }} label={label} onDone={done} />
                )
              );
            })}
          </div>
        </div>
      )}
      {data && (
        <Table
          label="Tasks"
          head={[
            ...(steer ? [''] : []),
            'Task',
            'State',
            { title: 'Pool', optional: true },
            { title: 'Node', optional: true },
            { title: 'Attempts', optional: true, number: true },
            { title: 'Enqueued', number: true },
            { title: 'Run', optional: true, number: true },
          ]}
          empty="No task matches."
        >
          {tasks.map((task) => (
            <tr key={task.id} data-task={task.id}>
              {steer && (
                <td class="check">
                  <input
                    type="checkbox"
                    aria-label={`Select task ${task.id}`}
                    checked={chosen.has(task.id)}
                    onChange={(event) => choose([task.id], event.currentTarget.checked)}
                  />
                </td>
              )}
              <TaskCell task={task} query={query} />
              <td>
                <StateBadge state={task.state} />
                {task.acknowledgedAt !== null && <small class="dim">acknowledged</small>}
                {task.state === 'delayed' && <small class="dim">{ago(task.delayedUntil, now)}</small>}
              </td>
              <td class="optional">{task.pool}</td>
              <td class="optional">{task.node ?? '–'}</td>
              <td class="optional number">
                {task.attempts.made}/{task.attempts.max}
                {task.handovers > 0 && <small class="dim">{handoverWords(task.handovers)}</small>}
              </td>
              <td class="number">
                <Time at={task.enqueuedAt}>{ago(task.enqueuedAt, now)}</Time>
              </td>
              <td class="optional number">{spanOrDash(runMs(task, now))}</td>
            </tr>
          ))}
        </Table>
      )}
      {data && <Paging page={data} query={query} />}
    </Panel>
  );
}

function TaskCell({ task, query }: { task: ListedTask; query: URLSearchParams }) {
  return (
    <td class="message">
      <a href={taskLink(task.id)}>{task.message.split('\n', 1)[0] || '(no message)'}</a>
      <small class="dim">
        <code title={task.id}>{short(task.id)}</code>
        {Object.entries(task.tags).map((pair) => {
          const tag = pair.join('=');
          return (
            <a key={tag} class="tag" href={changedLink('tasks', query, { tag })}>
              {tag}
            </a>
          );
        })}
        {task.heldBy && <span class="gate">held: {task.heldBy}</span>}
      </small>
      {task.error && (
        <small class="error">
          {task.error.kind}: {task.error.message.slice(0, EXCERPT)}
        </small>
      )}
    </td>
  );
}

function Paging({ page: { tasks, next, complete }, query }: { page: TaskPage; query: URLSearchParams }) {
  const isFirst = !query.has('cursor');
  return (
    <nav class="paging" aria-label="Pages">
      <span class="dim" role="status">
        {tasks.length === 0 ? '' : `${tasks.length} ${tasks.length === 1 ? 'task' : 'tasks'}, newest first`}
        {!complete && ' · only the newest 5,000 tasks were searched; narrow the filter'}
      </span>
      {!isFirst && (
        <button type="button" onClick={() => open(changedLink('tasks', query, {}))}>
          Newest
        </button>
      )}
      {next !== null && (
        <button type="button" onClick={() => open(changedLink('tasks', query, { cursor: next }))}>
          Older
        </button>
      )}
    </nav>
  );
}

function runMs({ startedAt, finishedAt, state }: ListedTask, now: number): number | undefined {
  if (startedAt === null || (finishedAt === null && state !== 'active')) return undefined;
  return (finishedAt === null ? now : Date.parse(finishedAt)) - Date.parse(startedAt);
}

function handoverWords(count: number): string {
  return count === 1 ? '1 handover' : `${count} handovers`;
}
