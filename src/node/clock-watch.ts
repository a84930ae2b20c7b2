/** Redis' clock and this process' own may go apart by this much between two heartbeats, ms: answers are sometimes late. */
const JUMP_MS = 2_000;

/** Knows Redis time, from what each heartbeat tells of it, and notices where its clock jumped. */
export class ClockWatch {
  /** Redis time less this machine's, ms. */
  #offset: number;
  /** Redis time less the monotonic time of this process, ms. */
  #lead: number;
  readonly #onJump: (jumpMs: number) => void;

  constructor(redisTime: number, onJump: (jumpMs: number) => void) {
    this.#onJump = onJump;
    this.#offset = redisTime - Date.now();
    this.#lead = redisTime - performance.now();
  }

  get offset(): number {
    return this.#offset;
  }

  /** Redis time, ms since the epoch. */
  get now(): number {
    return Date.now() + this.#offset;
  }

  /** Takes over Redis time as it is now. */
  follow(redisTime: number): void {
    const lead = redisTime - performance.now();
    const jumpMs = Math.round(lead - this.#lead);
    this.#lead = lead;
    this.#offset = redisTime - Date.now();
    if (Math.abs(jumpMs) > JUMP_MS) this.#onJump(jumpMs);
  }
}
