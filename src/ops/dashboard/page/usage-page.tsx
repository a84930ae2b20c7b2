import { useState } from 'preact/hooks';
import type { UsageSum } from '../../../queue/usage.ts';
import { useFetched, useRefreshSignal } from './fetched.ts';
import { apiPath } from './requests.ts';
import { FetchError, Panel, Table } from './table.tsx';
import { number, shortNumber } from './words.ts';

const DAY_MS = 86_400_000;
const PERIODS = [7, 30, 90] as const;

/** Tokens of completed tasks, by day (UTC), agent and model. */
export function UsagePage({ now }: { now: number }) {
  const [days, setDays] = useState<number>(30);
  const { data, error } = useFetched<{ usage: UsageSum[] }>(
    `${apiPath('usage')}?days=${days}`,
    useRefreshSignal(),
    20_000,
  );
  const choice = (
    <fieldset class="choice" aria-label="Period">
      {PERIODS.map((period) => (
        <button type="button" key={period} aria-pressed={period === days} onClick={() => setDays(period)}>
          {period} days
        </button>
      ))}
    </fieldset>
  );
  return (
    <Panel id="usage" title="Usage" aside={choice}>
      <FetchError error={error} />
      {data && data.usage.length > 0 && <DayBars usage={data.usage} days={days} now={now} />}
      {data && (
        <Table
          label="Usage by day, agent and model"
          head={[
            'Day (UTC)',
            'Agent',
            'Model',
            { title: 'Tasks', number: true },
            { title: 'Input', number: true, optional: true },
            { title: 'Output', number: true, optional: true },
            { title: 'Tokens', number: true },
            { title: 'Cost', number: true, optional: true },
          ]}
          empty="No completed task has reported its usage."
        >
          {data.usage.map(({ day, agent, model, tasks, input, output, total, cost }) => (
            <tr key={`${day} ${agent} ${model}`}>
              <td>{day}</td>
              <td>{agent ?? 'default'}</td>
              <td>{model ?? '–'}</td>
              <td class="number">{number(tasks)}</td>
              <td class="optional number">{number(input)}</td>
              <td class="optional number">{number(output)}</td>
              <td class="number">{number(total)}</td>
              <td class="optional number">{cost === null ? '–' : cost.toFixed(2)}</td>
            </tr>
          ))}
        </Table>
      )}
    </Panel>
  );
}

/** One bar per day, the newest at the right; the table has the same numbers. */
function DayBars({ usage, days, now }: { usage: readonly UsageSum[]; days: number; now: number }) {
  const sums = new Map<string, number>();
  for (const { day, total } of usage) sums.set(day, (sums.get(day) ?? 0) + total);
  const names = Array.from({ length: days }, (_, ago) =>
    new Date(now - (days - 1 - ago) * DAY_MS).toISOString().slice(0, 10),
  );
  const most = Math.max(1, ...sums.values());
  const total = [...sums.values()].reduce((sum, day) => sum + day, 0);
  return (
    <figure class="days">
      <div aria-hidden="true">
        {names.map((day) => (
          <i
            key={day}
            style={{ height: `${Math.max(sums.has(day) ? 2 : 0, (100 * (sums.get(day) ?? 0)) / most)}%` }}
            title={`${day}: ${number(sums.get(day) ?? 0)} tokens`}
          />
        ))}
      </div>
      <figcaption>
        {shortNumber(total)} tokens in {days} days; at most {shortNumber(most)} a day
      </figcaption>
    </figure>
  );
}
