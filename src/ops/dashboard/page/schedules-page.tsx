import { useState } from 'preact/hooks';
import type { Schedule } from '../../../domain/schedule.ts';
import { formatDuration } from '../../../domain/units.ts';
import { useFetched, useRefreshSignal } from './fetched.ts';
import { readForm } from './form-fields.ts';
import { apiPath, request } from './requests.ts';
import { ActionButton, Dialog } from './steering.tsx';
import { FetchError, Panel, Table, Time } from './table.tsx';
import { ago } from './words.ts';

/** Schedules with their next runs. */
export function SchedulesPage({ pools, now, steer }: { pools: readonly string[]; now: number; steer: boolean }) {
  const { data, error, reload } = useFetched<{ schedules: Schedule[] }>(apiPath('schedules'), useRefreshSignal());
  const [adding, setAdding] = useState(false);
  const add = steer && (
    <button type="button" onClick={() => setAdding(true)}>
      Add schedule
    </button>
  );
  return (
    <Panel id="schedules" title="Schedules" aside={add}>
      <FetchError error={error} />
      {data && (
        <Table
          label="Schedules"
          head={[
            'Schedule',
            'When',
            'Next run',
            { title: 'Pool', optional: true },
            { title: 'Message', optional: true },
            ...(steer ? [''] : []),
          ]}
          empty="No schedule. One queues a task at certain times, such as every morning."
        >
          {data.schedules.map((schedule) => (
            <tr key={schedule.name}>
              <th scope="row">{schedule.name}</th>
              <td>{whenWords(schedule)}</td>
              <td>
                {schedule.paused ? (
                  <span class="state gated">paused</span>
                ) : (
                  <Time at={schedule.nextRunAt}>{ago(schedule.nextRunAt, now)}</Time>
                )}
              </td>
              <td class="optional">{schedule.pool}</td>
              <td class="optional message">{schedule.task.message.slice(0, 160)}</td>
              {steer && (
                <td class="actions">
                  <ScheduleActions schedule={schedule} onDone={reload} />
                </td>
              )}
            </tr>
          ))}
        </Table>
      )}
      {adding && (
        <AddDialog
          pools={pools}
          onClose={() => {
            setAdding(false);
            reload();
          }}
        />
      )}
    </Panel>
  );
}

function whenWords({ cron, timezone, everyMs }: Schedule): preact.ComponentChildren {
  if (cron === null) return `every ${formatDuration(everyMs ?? 0)}`;
  return (
    <>
      <code>{cron}</code> <span class="dim">{timezone}</span>
    </>
  );
}

function ScheduleActions({ schedule: { name, paused }, onDone }: { schedule: Schedule; onDone: () => void }) {
  return (
    <div class="buttons">
      <ActionButton
        action={
          paused
            ? {
                label: 'Resume',
                question: `Resume schedule ${name}? Runs that were due while it was paused are skipped.`,
                path: apiPath('schedules', name, 'resume'),
                onDone,
              }
            : {
                label: 'Pause',
                question: `Pause schedule ${name}? No more of its tasks start; started ones continue.`,
                path: apiPath('schedules', name, 'pause'),
                onDone,
              }
        }
      />
      <ActionButton
        action={{
          label: 'Remove',
          danger: true,
          question: `Remove schedule ${name}, and its tasks that have not started?`,
          path: apiPath('schedules', name),
          method: 'DELETE',
          onDone,
        }}
      />
    </div>
  );
}

const TASK_FIELDS = [
  ['pool', 'Pool', 'default'],
  ['agent', 'Agent', 'default'],
  ['model', 'Model', "the agent's model"],
  ['timeout', 'Deadline of an attempt', 'the default; e.g. 30m'],
] as const;

function AddDialog({ pools, onClose }: { pools: readonly string[]; onClose: () => void }) {
  const [error, setError] = useState('');
  const [kind, setKind] = useState<'cron' | 'every'>('cron');
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    const form = readForm(new FormData(event.currentTarget as HTMLFormElement));
    const { name = '', cron, timezone, every, kind: _kind, ...task } = form;
    try {
      await request(apiPath('schedules'), { name, cron, timezone, every, task });
      onClose();
    } catch (thrown) {
      setError((thrown as Error).message);
    }
  };
  return (
    <Dialog title="Add a schedule" wide onClose={onClose}>
      <form class="enqueue" onSubmit={(event) => void submit(event)}>
        <label>
          Name (lower-case letters, digits, - and _)
          <input name="name" required autocomplete="off" placeholder="nightly" />
        </label>
        <fieldset class="radio">
          <legend>When</legend>
          {(['cron', 'every'] as const).map((each) => (
            <label key={each}>
              <input type="radio" name="kind" checked={kind === each} onChange={() => setKind(each)} />{' '}
              {each === 'cron' ? 'at certain times' : 'at an interval'}
            </label>
          ))}
        </fieldset>
        <div key={kind} class="whole fields">
          {kind === 'cron' ? (
            <>
              <label>
                Cron line: minute hour day month weekday
                <input name="cron" required autocomplete="off" placeholder="0 7 * * 1-5" />
              </label>
              <label>
                Time zone
                <input
                  name="timezone"
                  autocomplete="off"
                  defaultValue={Intl.DateTimeFormat().resolvedOptions().timeZone}
                />
              </label>
            </>
          ) : (
            <label>
              Interval, such as 30m or 12h
              <input name="every" required autocomplete="off" placeholder="30m" />
            </label>
          )}
        </div>
        <label class="whole">
          Message for the agent
          <textarea name="message" rows={4} required />
        </label>
        {TASK_FIELDS.map(([name, label, placeholder]) => (
          <label key={name}>
            {label}
            <input
              name={name}
              placeholder={placeholder}
              list={name === 'pool' ? 'schedule-pools' : undefined}
              autocomplete="off"
            />
          </label>
        ))}
        <datalist id="schedule-pools">
          {pools.map((pool) => (
            <option key={pool} value={pool} />
          ))}
        </datalist>
        {error && (
          <p class="error whole" role="alert">
            {error}
          </p>
        )}
        <div class="buttons whole">
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class="primary">
            Add
          </button>
        </div>
      </form>
    </Dialog>
  );
}
