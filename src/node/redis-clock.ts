import type { Clock } from '../domain/clock.ts';

/** Apparent drift between Redis' clock and this process' own that does not count as a jump yet, ms: replies are sometimes late. */
const JUMP_MS = 2_000;

/** Derives Redis time from each heartbeat's reply, and detects that one of the two clocks has jumped. */
export class RedisClock {
  readonly #clock: Clock;
  /** Redis time minus this machine's, ms. */
  #offset = 0;
  /** Redis time minus the monotonic time of this process, ms. */
  #lead = 0;

  constructor(clock: Clock, redisTime: number) {
    this.#clock = clock;
    this.follow(redisTime);
  }

  /** Redis time minus this machine's, ms. */
  get offset(): number {
    return this.#offset;
  }

  /** Redis time, ms since the epoch. */
  get now(): number {
    return this.#clock.now() + this.#offset;
  }

  /** Adopts the current Redis time. @returns by how much it has jumped since the last call, ms; 0 for no jump. */
  follow(redisTime: number): number {
    const lead = redisTime - this.#clock.monotonic();
    const jumpMs = Math.round(lead - this.#lead);
    this.#lead = lead;
    this.#offset = redisTime - this.#clock.now();
    return Math.abs(jumpMs) > JUMP_MS ? jumpMs : 0;
  }
}
