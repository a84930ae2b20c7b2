const SECOND_MS = 1_000;
/**
 * Half-width of the search for an offset change, ms. No zone is more than 14 hours from UTC, and none has changed its
 * clocks twice within three days.
 */
const AROUND_MS = 36 * 3_600_000;

/**
 * The wall-clock time of a time zone, written as the epoch time (ms) at which a clock in UTC shows the same. When
 * clocks move forward, some wall-clock times never occur; when they move back, some occur twice.
 */
export class ZoneClock {
  readonly #format: Intl.DateTimeFormat;

  /** @throws RangeError for an unknown zone. */
  constructor(zone: string) {
    this.#format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
  }

  /** The wall-clock time at this epoch time. */
  wall(time: number): number {
    const shown: Record<string, number> = {};
    for (const { type, value } of this.#format.formatToParts(time)) shown[type] = Number(value);
    const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = shown;
    return Date.UTC(year, month - 1, day, hour, minute, second) + (time % SECOND_MS);
  }

  offset(time: number): number {
    return this.wall(time) - time;
  }

  /** The epoch times at which the clock shows this: none, one or two, in order. */
  timesOf(wall: number): number[] {
    const offsets = new Set([this.offset(wall - AROUND_MS), this.offset(wall + AROUND_MS)]);
    const times = [...offsets].map((offset) => wall - offset).filter((time) => this.wall(time) === wall);
    return times.sort((a, b) => a - b);
  }

  /** When the clock skipped this wall-clock time, which it never shows. */
  timeAfterGap(wall: number): number {
    let before = Math.floor((wall - AROUND_MS) / SECOND_MS);
    let after = Math.ceil((wall + AROUND_MS) / SECOND_MS);
    while (after - before > 1) {
      const middle = Math.floor((before + after) / 2);
      if (this.wall(middle * SECOND_MS) > wall) after = middle;
      else before = middle;
    }
    return after * SECOND_MS;
  }
}
