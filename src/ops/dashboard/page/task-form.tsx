import { useState } from 'preact/hooks';
import { MAX_PRIORITY } from '../../../domain/task.ts';
import type { TaskInput } from '../../../queue/new-task.ts';
import { changedFields, readForm, shownValue } from './form-fields.ts';
import { open } from './open.ts';
import { apiPath, request } from './requests.ts';
import { taskLink } from './route.ts';
import { Dialog } from './steering.tsx';

/** The fields of the form, by group. A field of numbers has a minimum. */
const GROUPS = [
  {
    title: 'Agent',
    fields: [
      { name: 'agent', label: 'Agent', hint: 'default' },
      { name: 'model', label: 'Model', hint: "the agent's model" },
      { name: 'thinking', label: 'Thinking level', hint: "the agent's" },
      { name: 'session', label: 'Session', hint: 'new' },
    ],
  },
  {
    title: 'Time and attempts',
    fields: [
      { name: 'delay', label: 'Start after', hint: 'at once; e.g. 10m' },
      { name: 'timeout', label: 'Deadline of an attempt', hint: 'the default; e.g. 30m' },
      { name: 'attempts', label: 'Attempts', hint: 'the default', min: 1, max: 100 },
      { name: 'node', label: 'Only on node', hint: 'any' },
    ],
  },
  {
    title: 'Tags and key',
    fields: [
      { name: 'tags', label: 'Tags', hint: 'repo=x team=web' },
      { name: 'key', label: 'Idempotency key', hint: 'none' },
    ],
  },
] as const;

/** All fields beside the message. */
const FIELDS = ['pool', 'priority', ...GROUPS.flatMap(({ fields }) => fields.map(({ name }) => name))] as const;

/** The task that is run again. */
export interface Original {
  readonly id: string;
  readonly input: TaskInput;
}

/** The form that queues a task: a new one, or one with the input of another, which can be changed. */
export function TaskForm({
  pools,
  original,
  onClose,
}: {
  pools: readonly string[];
  original?: Original;
  onClose: () => void;
}) {
  const [error, setError] = useState('');
  const [busy, setBusy] = useState(false);
  const { input } = original ?? {};
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    setBusy(true);
    try {
      const given = readForm(new FormData(event.currentTarget as HTMLFormElement));
      const [path, body] = original
        ? [apiPath('tasks', original.id, 'rerun'), changedFields(original.input, given, FIELDS)]
        : [apiPath('tasks'), given];
      const { tasks } = await request<{ tasks: { id: string }[] }>(path, body);
      onClose();
      open(taskLink(tasks[0]?.id ?? ''));
    } catch (thrown) {
      setError((thrown as Error).message);
      setBusy(false);
    }
  };
  const initial = (name: string) => shownValue(input?.[name as keyof TaskInput]);
  return (
    <Dialog title={original ? 'Run again as a new task' : 'Enqueue a task'} wide onClose={onClose}>
      <form class="enqueue" onSubmit={(event) => void submit(event)}>
        <label class="whole">
          Message for the agent
          <textarea name="message" rows={original ? 8 : 5} required defaultValue={input?.message ?? ''} />
        </label>
        <label>
          Pool
          <input name="pool" placeholder="default" list="pools" autocomplete="off" defaultValue={initial('pool')} />
        </label>
        <label>
          Priority (1 = first; 0 = none, comes last)
          <input
            name="priority"
            type="number"
            min={0}
            max={MAX_PRIORITY}
            placeholder="0"
            defaultValue={initial('priority')}
          />
        </label>
        {GROUPS.map(({ title, fields }) => {
          const shown = fields.filter(({ name }) => !(original && name === 'key'));
          return (
            <details key={title} class="whole" open={shown.some(({ name }) => initial(name) !== '')}>
              <summary>{title}</summary>
              <div class="fields">
                {shown.map((field) => (
                  <label key={field.name}>
                    {field.label}
                    <input
                      name={field.name}
                      placeholder={field.hint}
                      autocomplete="off"
                      defaultValue={initial(field.name)}
                      {...('min' in field && { type: 'number', min: field.min, max: field.max })}
                    />
                  </label>
                ))}
              </div>
            </details>
          );
        })}
        <datalist id="pools">
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
          <button type="submit" class="primary" disabled={busy}>
            Enqueue
          </button>
        </div>
      </form>
    </Dialog>
  );
}
