import type { CircuitView } from '../../../client/circuits.ts';
import { useFetched, useRefreshSignal } from './fetched.ts';
import { apiPath } from './requests.ts';
import { ActionButton } from './steering.tsx';
import { FetchError, Panel, Table, TaskLink, Time } from './table.tsx';
import { ago, number } from './words.ts';

/** Circuits, which hold the tasks of providers that fail. */
export function CircuitsPage({ now, steer }: { now: number; steer: boolean }) {
  const { data, error, reload } = useFetched<{ circuits: CircuitView[] }>(apiPath('circuits'), useRefreshSignal());
  return (
    <Panel id="circuits" title="Circuits">
      <FetchError error={error} />
      {data && (
        <Table
          label="Circuits"
          head={[
            'Provider',
            'State',
            { title: 'Held tasks', number: true },
            { title: 'Failures in a row', number: true, optional: true },
            { title: 'Next probe', optional: true },
            'Last error',
            ...(steer ? [''] : []),
          ]}
          empty="No circuit is open, and none has counted failures: all providers respond."
        >
          {data.circuits.map(({ name, openedAt, held, failures, kind, message, nextProbeAt, probe }) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              <td>
                <span class={`state ${openedAt === null ? 'up' : 'dead'}`}>
                  {openedAt === null ? 'closed' : 'open'}
                </span>
                {openedAt !== null && (
                  <small class="dim">
                    <Time at={openedAt}>{ago(openedAt, now)}</Time>
                  </small>
                )}
              </td>
              <td class="number">{number(held)}</td>
              <td class="optional number">{failures}</td>
              <td class="optional">
                {probe === null ? ago(nextProbeAt, now) : <TaskLink id={probe.slice(probe.indexOf(':') + 1)} />}
              </td>
              <td class="message">
                {kind}: {message}
              </td>
              {steer && (
                <td class="actions">
                  {openedAt !== null && (
                    <ActionButton
                      action={{
                        label: 'Close',
                        question: `Mark the provider of ${name} as recovered? The ${held === 1 ? 'task' : `${number(held)} tasks`} that the circuit holds start at once.`,
                        path: apiPath('circuits', name, 'close'),
                        onDone: reload,
                      }}
                    />
                  )}
                </td>
              )}
            </tr>
          ))}
        </Table>
      )}
      <p class="dim">
        A circuit opens when a provider fails several times in a row. The mesh then holds its tasks, and one probe task
        at a time checks whether the provider has recovered.
      </p>
    </Panel>
  );
}
