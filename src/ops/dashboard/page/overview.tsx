import type { NodeState } from '../../../domain/node-state.ts';
import type { Snapshot } from '../../snapshot.ts';
import { HandoverTable } from './logs-pages.tsx';
import type { MeshState } from './mesh-state.ts';
import { Nodes } from './nodes-panel.tsx';
import { PoolCountsPanel } from './pools-page.tsx';
import { Problems } from './problems.tsx';
import { pageLink } from './route.ts';
import { Panel, Table, TaskLink } from './table.tsx';
import { Timeline } from './timeline-view.tsx';
import { number, shortNumber, span } from './words.ts';

/** The page that opens first: what is wrong, what runs, and what has run. */
export function Overview({ state, now, steer }: { state: MeshState; now: number; steer: boolean }) {
  const { mesh, runs, runsVersion, history, clockOffset } = state;
  if (!mesh) return <p class="empty">Reading the mesh…</p>;
  const { snapshot, nodes, dead } = mesh;
  const there = nodes.filter((node) => node.state !== 'stopped').map(({ id }) => id);
  return (
    <>
      <Problems problems={snapshot.problems} steer={steer} />
      <Tiles snapshot={snapshot} />
      <Timeline
        nodes={there}
        runs={runs}
        version={runsVersion}
        history={history}
        dead={dead}
        clockOffset={clockOffset}
      />
      <Nodes nodes={nodes} now={now} steer={steer} />
      <Running running={snapshot.running} moreRunning={snapshot.moreRunning} now={now} />
      <PoolCountsPanel pools={snapshot.pools} oldestWaiting={snapshot.oldestWaiting} steer={steer} />
      {snapshot.handovers.length > 0 && (
        <Panel id="handovers" title="Last handovers" aside={<a href={pageLink('handovers')}>All handovers</a>}>
          <HandoverTable handovers={snapshot.handovers} now={now} />
        </Panel>
      )}
    </>
  );
}

/** The numbers of the mesh, each with a link to what it counts. */
function Tiles({ snapshot: { pools, nodes, usageToday, circuits } }: { snapshot: Snapshot }) {
  const sum = (state: 'waiting' | 'active' | 'delayed' | 'completed' | 'failed' | 'acknowledged') =>
    Object.values(pools).reduce((total, counts) => total + counts[state], 0);
  const tile = (label: string, value: string, link: string, state = '') => (
    <li class={state}>
      <a href={link}>
        <b>{value}</b> {label}
      </a>
    </li>
  );
  const tasks = (label: string, state: 'waiting' | 'active' | 'delayed' | 'completed') =>
    tile(label, number(sum(state)), pageLink('tasks', { state }), sum(state) > 0 ? state : '');
  const unseen = sum('failed') - sum('acknowledged');
  const others = (['gated', 'paused', 'draining', 'dead'] as const satisfies readonly NodeState[]).filter(
    (state) => nodes[state] > 0,
  );
  return (
    <ul class="tiles" aria-label="The mesh in numbers">
      {tasks('waiting', 'waiting')}
      {tasks('running', 'active')}
      {tasks('delayed', 'delayed')}
      {tile(
        'failed',
        number(unseen),
        pageLink('tasks', { state: 'failed', unacknowledged: 'true' }),
        unseen > 0 ? 'failed' : '',
      )}
      {tasks('completed', 'completed')}
      {tile(
        ['up', ...others.map((state) => `· ${nodes[state]} ${state}`)].join(' '),
        `${number(nodes.up)} ${nodes.up === 1 ? 'node' : 'nodes'}`,
        pageLink('events'),
        nodes.dead > 0 ? 'failed' : '',
      )}
      {circuits.length > 0 &&
        tile(
          circuits.length === 1 ? 'open circuit' : 'open circuits',
          number(circuits.length),
          pageLink('circuits'),
          'failed',
        )}
      {tile('tokens today', shortNumber(usageToday.total), pageLink('usage'))}
    </ul>
  );
}

function Running({ running, moreRunning, now }: Pick<Snapshot, 'running' | 'moreRunning'> & { now: number }) {
  if (running.length === 0) return null;
  const more = moreRunning > 0 && (
    <p class="dim">
      longest first; <a href={pageLink('tasks', { state: 'active' })}>{number(moreRunning)} more</a>
    </p>
  );
  return (
    <Panel id="running" title="Running" aside={more}>
      <Table
        label="Running tasks"
        head={[
          'Task',
          'Message',
          'Node',
          { title: 'Pool', optional: true },
          { title: 'For', number: true },
          { title: 'Attempt', optional: true, number: true },
          { title: 'Tokens', optional: true, number: true },
        ]}
        empty=""
      >
        {running.map(({ id, node, pool, startedAt, attempt, tokens, message }) => (
          <tr key={id}>
            <td>
              <TaskLink id={id} />
            </td>
            <td class="message">{message}</td>
            <td>{node ?? '–'}</td>
            <td class="optional">{pool}</td>
            <td class="number">{startedAt === null ? '–' : span(now - Date.parse(startedAt))}</td>
            <td class="optional number">{attempt}</td>
            <td class="optional number">{tokens === null ? '–' : number(tokens)}</td>
          </tr>
        ))}
      </Table>
    </Panel>
  );
}
