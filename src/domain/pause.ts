/** A pause by an operator. Times are ISO 8601, in Redis time. */
export interface Pause {
  /** When it began. */
  readonly at: string;
  /** When it ends by itself; null if an operator has to end it. */
  readonly until: string | null;
  /** Why, for people; null if the operator gave no reason. */
  readonly note: string | null;
  /** Who paused it, for people; null if unknown. */
  readonly by: string | null;
}

/** What an operator says about a pause. */
export interface NewPause {
  /** How long it lasts, ms; until it is ended by hand if absent. */
  readonly forMs?: number | undefined;
  readonly note?: string | undefined;
  readonly by?: string | undefined;
}

/** A pause in words: by whom, since when, for how long and why. */
export function pauseWords({ at, until, note, by }: Pause): string {
  const who = by === null ? '' : ` by ${by}`;
  const end = until === null ? '' : `, until ${toSecond(until)}`;
  return `paused${who} at ${toSecond(at)}${end}${note === null ? '' : `: ${note}`}`;
}

function toSecond(iso: string): string {
  return iso.replace(/\.\d+Z$/, 'Z');
}
