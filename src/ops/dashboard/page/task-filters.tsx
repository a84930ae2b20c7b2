import { useEffect, useRef } from 'preact/hooks';
import type { PoolCounts } from '../../../domain/pool-counts.ts';
import { TASK_STATES, type TaskState } from '../../../domain/task-state.ts';
import { open } from './open.ts';
import { changedLink, pageLink, parseRoute } from './route.ts';
import { shortNumber } from './words.ts';

/** While a person types, the list waits this long for the next letter, ms. */
const TYPING_MS = 300;

const PERIODS = [
  ['', 'any time'],
  ['15m', 'the last 15 minutes'],
  ['1h', 'the last hour'],
  ['24h', 'the last 24 hours'],
  ['7d', 'the last 7 days'],
] as const;

/** The filters of the tasks page. Each change changes the address, from which the list is read. */
export function TaskFilters(props: {
  query: URLSearchParams;
  pools: Readonly<Record<string, PoolCounts>>;
  nodes: readonly string[];
}) {
  const { query, pools, nodes } = props;
  const states = query.get('state')?.split(',') ?? [];
  const pool = query.get('pool') ?? '';
  const counted = Object.entries(pools).filter(([name]) => pool === '' || name === pool);
  const count = (state: TaskState) => counted.reduce((sum, [, counts]) => sum + counts[state], 0);
  const change = (filters: Record<string, string | undefined>, replace = false) => {
    // Another field may have changed the address while a person was typing in this one.
    const current = parseRoute(location.hash.slice(1)).query;
    open(changedLink('tasks', current, filters), { replace });
  };
  const toggle = (state: TaskState) => {
    const chosen = states.includes(state) ? states.filter((other) => other !== state) : [...states, state];
    const unacknowledged = chosen.join() === 'failed' ? (query.get('unacknowledged') ?? undefined) : undefined;
    change({ state: chosen.join(',') || undefined, unacknowledged });
  };
  const isFiltered = [...query.keys()].some((name) => name !== 'cursor');
  return (
    <search class="task-filters">
      <fieldset class="chips" aria-label="States">
        {TASK_STATES.map((state) => (
          <button
            type="button"
            key={state}
            class={state}
            aria-pressed={states.includes(state)}
            onClick={() => toggle(state)}
          >
            {state} <span>{shortNumber(count(state))}</span>
          </button>
        ))}
      </fieldset>
      <div class="filters">
        <Typed label="Search" name="text" query={query} placeholder="message, error, id, agent…" onChange={change} />
        <Choice label="Pool" value={pool} options={Object.keys(pools)} onChange={(value) => change({ pool: value })} />
        <Choice
          label="Node"
          value={query.get('node') ?? ''}
          options={nodes}
          onChange={(value) => change({ node: value })}
        />
        <Typed
          label="Tag"
          name="tag"
          query={query}
          placeholder="name=value"
          pattern={/^$|^[A-Za-z0-9][\w.-]*=/}
          onChange={change}
        />
        <label>
          Enqueued
          <select value={query.get('since') ?? ''} onChange={(event) => change({ since: event.currentTarget.value })}>
            {PERIODS.map(([value, words]) => (
              <option key={value} value={value}>
                {words}
              </option>
            ))}
          </select>
        </label>
        {states.join() === 'failed' && (
          <label class="check">
            <input
              type="checkbox"
              checked={query.get('unacknowledged') === 'true'}
              onChange={(event) => change({ unacknowledged: event.currentTarget.checked ? 'true' : undefined })}
            />{' '}
            Unacknowledged only
          </label>
        )}
        {isFiltered && (
          <a class="button" href={pageLink('tasks')}>
            Clear
          </a>
        )}
      </div>
    </search>
  );
}

function Choice(props: {
  label: string;
  value: string;
  options: readonly string[];
  onChange: (value: string) => void;
}) {
  const { label, value, options, onChange } = props;
  // The address may name a pool or node that is gone.
  const shown = value === '' || options.includes(value) ? options : [value, ...options];
  return (
    <label>
      {label}
      <select value={value} onChange={(event) => onChange(event.currentTarget.value)}>
        <option value="">any</option>
        {shown.map((option) => (
          <option key={option}>{option}</option>
        ))}
      </select>
    </label>
  );
}

/** A text that filters while it is typed. */
function Typed(props: {
  label: string;
  name: 'text' | 'tag';
  query: URLSearchParams;
  placeholder: string;
  /** The texts that are complete enough to filter by; all by default. */
  pattern?: RegExp;
  onChange: (filters: Record<string, string>, replace: boolean) => void;
}) {
  const { label, name, query, placeholder, pattern = /^/, onChange } = props;
  const field = useRef<HTMLInputElement>(null);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const value = query.get(name) ?? '';
  useEffect(() => {
    if (field.current && document.activeElement !== field.current) field.current.value = value;
  }, [value]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const typed = (text: string) => {
    clearTimeout(timer.current);
    if (!pattern.test(text) || text === value) return;
    // One entry in the browser's history per letter would make its Back button useless.
    timer.current = setTimeout(() => onChange({ [name]: text }, true), TYPING_MS);
  };
  return (
    <label>
      {label}
      <input
        ref={field}
        type="search"
        name={name}
        defaultValue={value}
        placeholder={placeholder}
        maxLength={200}
        autocomplete="off"
        onInput={(event) => typed(event.currentTarget.value.trim())}
      />
    </label>
  );
}
