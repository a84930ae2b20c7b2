/** The pages, in the order of the navigation. */
export const PAGES = {
  '': 'Overview',
  tasks: 'Tasks',
  pools: 'Pools',
  schedules: 'Schedules',
  circuits: 'Circuits',
  handovers: 'Handovers',
  events: 'Events',
  usage: 'Usage',
} as const;

export type PageName = keyof typeof PAGES;

/** What the address names: a page with its filters, or a task, which opens over the page. */
export interface Route {
  /** Undefined if there is no such page. */
  readonly page: PageName | undefined;
  readonly query: URLSearchParams;
  readonly taskId: string | undefined;
}

/** Reads the part of the address after `#`, such as `/tasks?state=failed` or `/task/01k…`. */
export function parseRoute(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^\//, '').split('?', 2);
  const [, taskId] = /^task\/(.+)$/.exec(path) ?? [];
  const page = taskId === undefined ? path : '';
  return {
    page: Object.hasOwn(PAGES, page) ? (page as PageName) : undefined,
    query: new URLSearchParams(query),
    taskId: taskId && decoded(taskId),
  };
}

/** The link to a page. Filters without a value are left out, so that an unfiltered page has one address. */
export function pageLink(page: PageName, filters: Readonly<Record<string, string | undefined>> = {}): string {
  const given = Object.entries(filters).filter((filter): filter is [string, string] => Boolean(filter[1]));
  const query = new URLSearchParams(given);
  return `#/${page}${query.size > 0 ? `?${query}` : ''}`;
}

/** The link to a page with some of its filters changed; an empty value removes one. It shows the first entries again. */
export function changedLink(
  page: PageName,
  query: URLSearchParams,
  changes: Readonly<Record<string, string | undefined>>,
): string {
  const changed = new URLSearchParams(query);
  for (const [name, value] of Object.entries({ cursor: undefined, ...changes })) {
    if (value) changed.set(name, value);
    else changed.delete(name);
  }
  return `#/${page}${changed.size > 0 ? `?${changed}` : ''}`;
}

/** The link to a task. */
export function taskLink(id: string): string {
  return `#/task/${encodeURIComponent(id)}`;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
