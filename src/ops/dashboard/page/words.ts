import { humanDuration } from '../../../domain/units.ts';

// Made once: a formatter costs a hundred times as much as its use.
const CLOCK = new Intl.DateTimeFormat([], { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });
const DATE_TIME = new Intl.DateTimeFormat([], {
  month: 'short',
  day: 'numeric',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hourCycle: 'h23',
});
const NUMBER = new Intl.NumberFormat('en');
const SHORT_NUMBER = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });

/** `3m`; never negative, although clocks differ. */
export function span(ms: number): string {
  return humanDuration(Math.max(0, Math.round(ms)));
}

/** `3m`, or a dash if it is not known. */
export function spanOrDash(ms: number | null | undefined): string {
  return ms === null || ms === undefined ? '–' : span(ms);
}

/** `3m ago`, or `in 3m`, by Redis time; a dash if it has not happened. */
export function ago(time: string | number | null, now: number): string {
  if (time === null) return '–';
  const ms = now - (typeof time === 'number' ? time : Date.parse(time));
  return ms < -1_000 ? `in ${span(-ms)}` : `${span(ms)} ago`;
}

/** `14:03:07`. */
export function clock(time: number): string {
  return CLOCK.format(time);
}

/** `Nov 28, 14:03:07`, in the browser's time zone and language. */
export function dateTime(time: string | number): string {
  return DATE_TIME.format(typeof time === 'number' ? time : Date.parse(time));
}

/** `12,345`. */
export function number(value: number): string {
  return NUMBER.format(value);
}

/** `12.3K`. */
export function shortNumber(value: number): string {
  return SHORT_NUMBER.format(value);
}

/** The end of an id, which distinguishes tasks at a glance. */
export function short(id: string): string {
  return `…${id.slice(-8)}`;
}
