/** Maximum number of names in one line. */
const MOST_NAMED = 3;

/** `1 task`, `2 tasks`; `plural` is the noun with an s by default. */
export function counted(count: number, noun: string, plural = `${noun}s`): string {
  return `${count} ${count === 1 ? noun : plural}`;
}

/** The first names, and the number of the others. */
export function listed(names: readonly string[]): string {
  const more = names.length > MOST_NAMED ? `, ${names.length - MOST_NAMED} more` : '';
  return names.slice(0, MOST_NAMED).join(', ') + more;
}
