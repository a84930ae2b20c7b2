const SECOND = 1_000;
const HOUR = 3_600 * SECOND;
const DAY = 24 * HOUR;
const STEPS = [
  ...[1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800].map((seconds) => seconds * SECOND),
  ...[1, 2, 3, 6, 12].map((hours) => hours * HOUR),
  ...[1, 2, 7, 14, 31].map((days) => days * DAY),
];
/** Least distance of two labels, px. */
const GAP = 90;

/** Made once: a new formatter per label would take longer than everything else on the page. */
const SECONDS = new Intl.DateTimeFormat([], { hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false });
const MINUTES = new Intl.DateTimeFormat([], { hour: '2-digit', minute: '2-digit', hour12: false });
const ZONE = new Intl.DateTimeFormat([], { timeZoneName: 'short' });
const DATE = new Intl.DateTimeFormat([], { day: 'numeric', month: 'short' });

export interface Tick {
  readonly time: number;
  readonly label: string;
}

/** Round times for the axis, in local time: about one every 90 px. */
export function ticks(from: number, to: number, width: number): Tick[] {
  const wanted = ((to - from) * GAP) / Math.max(GAP, width);
  const step = STEPS.find((one) => one >= wanted) ?? 31 * DAY;
  // Local midnight is not a multiple of a day since the epoch.
  const offset = new Date(to).getTimezoneOffset() * 60 * SECOND;
  const first = Math.ceil((from - offset) / step) * step + offset;
  return Array.from({ length: Math.max(0, Math.floor((to - first) / step) + 1) }, (_, i) => {
    const time = first + i * step;
    return { time, label: labelOf(time, step, offset) };
  });
}

function labelOf(time: number, step: number, offset: number): string {
  if (step >= DAY || (step >= HOUR && (time - offset) % DAY === 0)) return DATE.format(time);
  return (step >= 60 * SECOND ? MINUTES : SECONDS).format(time);
}

/** `14:03:07`, or `28 Nov, 14:03:07` on another day than `now`. */
export function moment(time: number, now: number): string {
  const isToday = new Date(time).toDateString() === new Date(now).toDateString();
  return isToday ? SECONDS.format(time) : `${DATE.format(time)}, ${SECONDS.format(time)}`;
}

/** The time zone of all these times, such as `UTC` or `GMT+1`. */
export function zoneAt(time: number): string {
  return ZONE.formatToParts(time).find(({ type }) => type === 'timeZoneName')?.value ?? '';
}
