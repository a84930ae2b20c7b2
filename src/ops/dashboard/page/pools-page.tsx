import { useState } from 'preact/hooks';
import type { Percentiles } from '../../../domain/percentiles.ts';
import type { PoolTimes } from '../../../queue/bullmq/task-times.ts';
import type { Snapshot } from '../../snapshot.ts';
import { useFetched, useRefreshSignal } from './fetched.ts';
import { apiPath } from './requests.ts';
import { pageLink } from './route.ts';
import { ActionButton } from './steering.tsx';
import { FetchError, Panel, Table, TaskLink } from './table.tsx';
import { number, span, spanOrDash } from './words.ts';

const COUNTS = ['waiting', 'active', 'delayed', 'completed', 'failed', 'cancelled'] as const;
const OPTIONAL: ReadonlySet<string> = new Set(['delayed', 'cancelled']);
const PERIODS = [
  ['1h', '1 hour'],
  ['24h', '24 hours'],
  ['7d', '7 days'],
] as const;

/** Pools with their tasks, and how long these wait and run. */
export function PoolsPage({ snapshot, steer }: { snapshot: Snapshot; steer: boolean }) {
  return (
    <>
      <PoolCountsPanel pools={snapshot.pools} oldestWaiting={snapshot.oldestWaiting} steer={steer} />
      <PoolTimesPanel />
    </>
  );
}

/** Number of tasks by pool and state, each with a link to these tasks. */
export function PoolCountsPanel(props: Pick<Snapshot, 'pools' | 'oldestWaiting'> & { steer: boolean }) {
  const { pools, oldestWaiting, steer } = props;
  const oldest = oldestWaiting && (
    <p class="dim">
      oldest waiting: <TaskLink id={oldestWaiting.id} />, enqueued {span(oldestWaiting.waitingMs)} ago
    </p>
  );
  return (
    <Panel id="pools" title="Pools" aside={oldest}>
      <Table
        label="Tasks by pool and state"
        head={[
          'Pool',
          ...COUNTS.map((state) => ({
            title: `${state[0]?.toUpperCase()}${state.slice(1)}`,
            number: true as const,
            ...(OPTIONAL.has(state) && { optional: true as const }),
          })),
          ...(steer ? [''] : []),
        ]}
        empty="No task was ever enqueued."
      >
        {Object.entries(pools).map(([pool, counts]) => (
          <tr key={pool} data-pool={pool}>
            <th scope="row">
              {pool} {counts.paused && <span class="state gated">paused</span>}
            </th>
            {COUNTS.map((state) => (
              <td key={state} class={`number ${OPTIONAL.has(state) ? 'optional' : ''}`}>
                {counts[state] === 0 ? '0' : <a href={pageLink('tasks', { state, pool })}>{number(counts[state])}</a>}
              </td>
            ))}
            {steer && (
              <td class="actions">
                <ActionButton
                  action={
                    counts.paused
                      ? {
                          label: 'Resume',
                          question: `Let nodes claim tasks from pool ${pool} again?`,
                          path: apiPath('pools', pool, 'resume'),
                        }
                      : {
                          label: 'Pause',
                          question: `Stop all nodes from claiming tasks from pool ${pool}? Running tasks continue.`,
                          path: apiPath('pools', pool, 'pause'),
                        }
                  }
                />
              </td>
            )}
          </tr>
        ))}
      </Table>
    </Panel>
  );
}

function PoolTimesPanel() {
  const [period, setPeriod] = useState('24h');
  const { data, error } = useFetched<{ pools: PoolTimes[] }>(
    `${apiPath('pools', 'times')}?since=${period}`,
    useRefreshSignal(),
    20_000,
  );
  const choice = (
    <fieldset class="choice" aria-label="Period">
      {PERIODS.map(([value, label]) => (
        <button type="button" key={value} aria-pressed={value === period} onClick={() => setPeriod(value)}>
          {label}
        </button>
      ))}
    </fieldset>
  );
  const ended = data?.pools.filter((pool) => pool.ended > 0) ?? [];
  const cells = (times: Percentiles | null) =>
    (['p50', 'p95', 'p99'] as const).map((name) => (
      <td key={name} class={`number ${name === 'p99' ? 'optional' : ''}`}>
        {spanOrDash(times?.[name])}
      </td>
    ));
  return (
    <Panel id="times" title="Waiting and running times" aside={choice}>
      <FetchError error={error} />
      {data && (
        <Table
          label="Waiting and running times by pool"
          head={[
            'Pool',
            { title: 'Tasks', number: true },
            { title: 'Wait p50', number: true },
            { title: 'Wait p95', number: true },
            { title: 'Wait p99', number: true, optional: true },
            { title: 'Run p50', number: true },
            { title: 'Run p95', number: true },
            { title: 'Run p99', number: true, optional: true },
          ]}
          empty="No task has ended in this period."
        >
          {ended.map(({ pool, ended: count, wait, run }) => (
            <tr key={pool}>
              <th scope="row">{pool}</th>
              <td class="number">{number(count)}</td>
              {cells(wait)}
              {cells(run)}
            </tr>
          ))}
        </Table>
      )}
      <p class="dim">
        Half of the tasks waited at most p50, 95 % at most p95. A task waits from when it may run to its first claim,
        and runs from its last claim to its end. {sampleWords(ended)}
      </p>
    </Panel>
  );
}

/** Says what the percentiles leave out. */
function sampleWords(pools: readonly PoolTimes[]): string {
  const cut = pools.filter(({ ended, sampled }) => sampled < ended).map(({ pool }) => pool);
  const kept = 'Tasks that were removed or have expired do not count.';
  return cut.length === 0
    ? kept
    : `Of pool ${cut.join(', ')}, the newest 1,000 completed and 1,000 failed tasks count. ${kept}`;
}
