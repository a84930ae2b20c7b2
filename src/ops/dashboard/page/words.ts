import { humanDuration } from '../../../domain/units.ts';

/** `3m`; never negative, although clocks differ. */
export function span(ms: number): string {
  return humanDuration(Math.max(0, Math.round(ms)));
}

/** `3m ago`, by Redis time; a dash if it has not happened. */
export function ago(time: string | number | null, now: number): string {
  if (time === null) return '–';
  return `${span(now - (typeof time === 'number' ? time : Date.parse(time)))} ago`;
}

/** The end of an id, which distinguishes tasks at a glance. */
export function short(id: string): string {
  return `…${id.slice(-8)}`;
}
