import { taskLink } from './route.ts';
import { dateTime, short } from './words.ts';

/** A column of a table. `optional` columns are left out on narrow screens. */
export type Column = string | { readonly title: string; readonly optional?: true; readonly number?: true };

/** A table that scrolls by itself if it is wider than the page. */
export function Table(props: {
  /** What the table contains, for screen readers. */
  label: string;
  head: readonly Column[];
  /** Shown instead of a table without rows. */
  empty: string;
  children: preact.ComponentChildren;
}) {
  const rows = Array.isArray(props.children) ? props.children.flat() : [props.children];
  if (rows.filter(Boolean).length === 0) return <p class="empty">{props.empty}</p>;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: the keyboard must reach what scrolls
    <section class="scroll" aria-label={props.label} tabIndex={0}>
      <table>
        <thead>
          <tr>
            {props.head.map((column) => {
              const { title, optional, number } = typeof column === 'string' ? { title: column } : column;
              const classes = [optional && 'optional', number && 'number'].filter(Boolean).join(' ');
              return title === '' ? (
                <td key="actions" class={classes} />
              ) : (
                <th key={title} scope="col" class={classes}>
                  {title}
                </th>
              );
            })}
          </tr>
        </thead>
        <tbody>{props.children}</tbody>
      </table>
    </section>
  );
}

/** A state in its colour. */
export function StateBadge({ state }: { state: string }) {
  return <span class={`state ${state}`}>{state}</span>;
}

export function TaskLink({ id }: { id: string }) {
  return (
    <a href={taskLink(id)} title={id}>
      <code>{short(id)}</code>
    </a>
  );
}

/** A time as people say it, with the exact one as its title. */
export function Time({ at, children }: { at: string | null; children: preact.ComponentChildren }) {
  if (at === null) return <span>{children}</span>;
  return (
    <time dateTime={at} title={dateTime(at)}>
      {children}
    </time>
  );
}

/** A box with a title. */
export function Panel(props: {
  id: string;
  title: string;
  /** Beside the title. */
  aside?: preact.ComponentChildren;
  children: preact.ComponentChildren;
}) {
  return (
    <section class="panel" aria-labelledby={`${props.id}-title`}>
      <header>
        <h2 id={`${props.id}-title`}>{props.title}</h2>
        {props.aside}
      </header>
      {props.children}
    </section>
  );
}

/** Why a list could not be read. */
export function FetchError({ error }: { error: string }) {
  return error === '' ? null : (
    <p class="trouble" role="alert">
      {error}
    </p>
  );
}
