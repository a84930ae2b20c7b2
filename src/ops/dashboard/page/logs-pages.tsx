import type { Handover } from '../../../domain/handover.ts';
import { MESH_EVENTS } from '../../../domain/mesh-event.ts';
import type { MeshEvent } from '../../../registry/event-log.ts';
import { useFetched, useRefreshSignal } from './fetched.ts';
import { open } from './open.ts';
import { apiPath } from './requests.ts';
import { changedLink } from './route.ts';
import { FetchError, Panel, Table, TaskLink, Time } from './table.tsx';
import { ago, span, spanOrDash } from './words.ts';

const MOST_EVENTS = 500;
const MOST_HANDOVERS = 200;
/** Events that need attention, in their colour. */
const COLOURS: Readonly<Record<string, string>> = {
  'node-dead': 'dead',
  'dead-letter': 'failed',
  'circuit-opened': 'dead',
  'repeated-failover': 'failed',
  'gate-closed': 'gated',
  'node-up': 'up',
  'gate-open': 'up',
  'circuit-closed': 'up',
};

/** The event log, newest first. */
export function EventsPage({ query, nodes, now }: { query: URLSearchParams; nodes: readonly string[]; now: number }) {
  const { data, error } = useFetched<{ events: MeshEvent[] }>(
    `${apiPath('events')}?limit=${MOST_EVENTS}`,
    useRefreshSignal(),
  );
  const wanted = { event: query.get('event') ?? '', node: query.get('node') ?? '' };
  const events = (data?.events ?? [])
    .filter(({ event, node }) => (!wanted.event || event === wanted.event) && (!wanted.node || node === wanted.node))
    .reverse();
  const choice = (name: 'event' | 'node', label: string, options: readonly string[]) => (
    <label>
      {label}
      <select
        value={wanted[name]}
        onChange={(change) => open(changedLink('events', query, { [name]: change.currentTarget.value }))}
      >
        <option value="">any</option>
        {options.map((option) => (
          <option key={option}>{option}</option>
        ))}
      </select>
    </label>
  );
  const filters = (
    <div class="filters">
      {choice('event', 'Event', Object.keys(MESH_EVENTS))}
      {choice('node', 'Node', nodes)}
    </div>
  );
  return (
    <Panel id="events" title="Events" aside={filters}>
      <FetchError error={error} />
      {data && (
        <Table
          label="Events"
          head={['When', 'Event', 'Subject', { title: 'Reason', optional: true }]}
          empty="No event matches."
        >
          {events.map(({ id, at, event, node, circuit, task, gate, reason, silentMs }) => (
            <tr key={id}>
              <td>
                <Time at={at}>{ago(at, now)}</Time>
              </td>
              <td>
                <span class={`state ${COLOURS[event] ?? ''}`}>{event}</span>
              </td>
              <td>
                {[node ?? circuit, gate].filter(Boolean).join(' · ')} {task && <TaskLink id={task} />}
              </td>
              <td class="optional message">
                {reason}
                {silentMs !== null && silentMs > 0 && ` (silent for ${span(silentMs)})`}
              </td>
            </tr>
          ))}
        </Table>
      )}
      {data?.events.length === MOST_EVENTS && (
        <p class="dim">The newest {MOST_EVENTS} events. Older ones: clawmesh events --limit 10000</p>
      )}
    </Panel>
  );
}

/** The handover log, newest first. */
export function HandoversPage({ signal, now }: { signal: string; now: number }) {
  const { data, error } = useFetched<{ handovers: Handover[] }>(
    `${apiPath('handovers')}?limit=${MOST_HANDOVERS}`,
    signal,
    2_000,
  );
  return (
    <Panel id="handovers" title="Handovers">
      <FetchError error={error} />
      {data && <HandoverTable handovers={data.handovers} now={now} />}
      <p class="dim">
        Takeover: from the last sign of life of the first node to the claim by the next one.
        {data?.handovers.length === MOST_HANDOVERS && ` These are the newest ${MOST_HANDOVERS}.`}
      </p>
    </Panel>
  );
}

/** The handovers as a table; also part of the overview. */
export function HandoverTable({ handovers, now }: { handovers: readonly Handover[]; now: number }) {
  return (
    <Table
      label="Handovers"
      head={[
        'When',
        'Task',
        'From',
        'To',
        'Reason',
        { title: 'Ran for', optional: true, number: true },
        { title: 'Takeover', number: true },
      ]}
      empty="No task was ever handed over."
    >
      {handovers.map(({ at, taskId, from, to, reason, ranMs, takeoverMs }) => (
        <tr key={`${taskId} ${at}`}>
          <td>
            <Time at={at}>{ago(at, now)}</Time>
          </td>
          <td>
            <TaskLink id={taskId} />
          </td>
          <td>{from}</td>
          <td>{to ?? '–'}</td>
          <td>{reason}</td>
          <td class="optional number">{span(ranMs)}</td>
          <td class="number">{spanOrDash(takeoverMs)}</td>
        </tr>
      ))}
    </Table>
  );
}
