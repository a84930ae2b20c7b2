const SECOND_MS = 1_000;
/** No zone is farther from UTC than 14 hours, and none has moved its clocks twice within three days, ms. */
const AROUND_MS = 36 * 3_600_000;

/**
 * What the clocks on the walls of a time zone show. A wall clock's time is written as the epoch time (ms) at which a clock in
 * UTC shows the same. Where clocks are moved forward, some such times never come; where they are moved back, some come twice.
 */
export class ZoneClock {
  readonly #format: Intl.DateTimeFormat;

  /** @throws RangeError for a zone that is not known. */
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

  /** What the clock shows at this time. */
  wall(time: number): number {
    const shown: Record<string, number> = {};
    for (const { type, value } of this.#format.formatToParts(time)) shown[type] = Number(value);
    const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = shown;
    return Date.UTC(year, month - 1, day, hour, minute, second) + (time % SECOND_MS);
  }

  offset(time: number): number {
    return this.wall(time) - time;
  }

  /** When the clock shows this: once, twice or never. In order. */
  timesOf(wall: number): number[] {
    const offsets = new Set([this.offset(wall - AROUND_MS), this.offset(wall + AROUND_MS)]);
    const times = [...offsets].map((offset) => wall - offset).filter((time) => this.wall(time) === wall);
    return times.sort((a, b) => a - b);
  }

  /** When the clock was moved forward over this time, which it never shows. */
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
