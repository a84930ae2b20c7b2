import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { request } from './requests.ts';

/** An action that requires the user's confirmation. */
export interface Action {
  /** The label of the button. */
  readonly label: string;
  /** The effect, as a question. */
  readonly question: string;
  readonly path: string;
  readonly danger?: boolean;
}

/**
 * A button that asks for confirmation, acts, and shows the result. An open question belongs to its action: if another
 * action replaces the button in the meantime, the question closes and can't be confirmed for the wrong action.
 */
export function ActionButton({ action }: { action: Action }) {
  return <AskingButton key={action.path} action={action} />;
}

function AskingButton({ action }: { action: Action }) {
  const [asking, setAsking] = useState(false);
  return (
    <>
      <button type="button" class={action.danger ? 'danger' : ''} onClick={() => setAsking(true)}>
        {action.label}
      </button>
      {asking && <Question action={action} onClose={() => setAsking(false)} />}
    </>
  );
}

function Question({ action, onClose }: { action: Action; onClose: () => void }) {
  const [error, setError] = useState('');
  const [busy, setBusy] = useState(false);
  const act = async () => {
    setBusy(true);
    try {
      await request(action.path, {});
      onClose();
    } catch (thrown) {
      setError((thrown as Error).message);
      setBusy(false);
    }
  };
  return (
    <Dialog title={action.label} onClose={onClose}>
      <p>{action.question}</p>
      {error && (
        <p class="error" role="alert">
          {error}
        </p>
      )}
      <div class="buttons">
        <button type="button" onClick={onClose}>
          No
        </button>
        <button type="button" class={action.danger ? 'danger' : 'primary'} disabled={busy} onClick={() => void act()}>
          Yes, {action.label.toLowerCase()}
        </button>
      </div>
    </Dialog>
  );
}

/** A modal dialog; Escape closes it, and the browser keeps the keyboard inside. */
export function Dialog(props: {
  title: string;
  wide?: boolean;
  onClose: () => void;
  children: preact.ComponentChildren;
}) {
  const ref = useRef<HTMLDialogElement>(null);
  // Before the next paint: until the dialog is open, a key press would go to the page under it.
  useLayoutEffect(() => ref.current?.showModal(), []);
  return (
    <dialog ref={ref} class={props.wide ? 'wide' : ''} aria-label={props.title} onClose={props.onClose}>
      <header>
        <h2>{props.title}</h2>
        <button type="button" class="plain" aria-label="Close" onClick={() => ref.current?.close()}>
          ✕
        </button>
      </header>
      {props.children}
    </dialog>
  );
}

const FIELDS = [
  ['pool', 'Pool', 'default'],
  ['node', 'Only on node', 'any'],
  ['agent', 'Agent', 'default'],
  ['session', 'Session', 'new'],
  ['model', 'Model', "the agent's model"],
] as const;

/** The form that queues a task. */
export function EnqueueDialog({ pools, onClose }: { pools: readonly string[]; onClose: () => void }) {
  const [error, setError] = useState('');
  const [busy, setBusy] = useState(false);
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    setBusy(true);
    const given = [...new FormData(event.currentTarget as HTMLFormElement)].filter(([, value]) => value !== '');
    const task = Object.fromEntries(given.map(([name, value]) => [name, name === 'priority' ? Number(value) : value]));
    try {
      const { tasks } = await request<{ tasks: { id: string }[] }>('/api/tasks', task);
      onClose();
      location.hash = `/task/${tasks[0]?.id ?? ''}`;
    } catch (thrown) {
      setError((thrown as Error).message);
      setBusy(false);
    }
  };
  return (
    <Dialog title="Enqueue a task" onClose={onClose}>
      <form class="enqueue" onSubmit={(event) => void submit(event)}>
        <label class="whole">
          Message for the agent
          <textarea name="message" rows={5} required />
        </label>
        {FIELDS.map(([name, label, placeholder]) => (
          <label key={name}>
            {label}
            <input
              name={name}
              placeholder={placeholder}
              list={name === 'pool' ? 'pools' : undefined}
              autocomplete="off"
            />
          </label>
        ))}
        <label>
          Priority (1 = first; 0 = none, comes last)
          <input name="priority" type="number" min={0} max={2_097_151} placeholder="0" />
        </label>
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
