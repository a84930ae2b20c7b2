import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { type Method, request } from './requests.ts';

/** An action that requires the user's confirmation. */
export interface Action {
  /** The label of the button. */
  readonly label: string;
  /** The effect, as a question. */
  readonly question: string;
  readonly path: string;
  /** POST by default. */
  readonly method?: Method;
  readonly danger?: boolean;
  /** Called once the action has succeeded. */
  readonly onDone?: () => void;
}

/**
 * A button that asks for confirmation, acts, and shows the result. An open question belongs to its action: if another
 * action replaces the button in the meantime, the question closes and can't be confirmed for the wrong action.
 */
export function ActionButton({ action }: { action: Action }) {
  return <AskingButton key={`${action.method} ${action.path}`} action={action} />;
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
      await request(action.path, {}, action.method);
      onClose();
      action.onDone?.();
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
