/**
 * The slots of a node. Its pools share them if the node may run fewer tasks at once than their concurrencies add up to.
 * When pools wait for a slot, each gets starts in proportion to its weight: stride scheduling (Waldspurger and Weihl,
 * 1995).
 */
export class Slots {
  readonly total: number;
  readonly #weightOf: (pool: string) => number;
  #inUse = 0;
  readonly #waiting = new Map<string, (granted: boolean) => void>();
  /** For each pool, the virtual time of its next start. */
  readonly #passes = new Map<string, number>();
  #now = 0;

  constructor(options: { total: number; weightOf: (pool: string) => number }) {
    this.total = options.total;
    this.#weightOf = options.weightOf;
  }

  get inUse(): number {
    return this.#inUse;
  }

  get free(): number {
    return Math.max(0, this.total - this.#inUse);
  }

  /** Takes a slot for this pool at once. @returns false if all slots are in use, or pools wait. */
  take(pool: string): boolean {
    if (this.free === 0 || this.#waiting.size > 0) return false;
    this.use(pool);
    return true;
  }

  /** Waits for this pool's turn and takes a slot; resolves to false if {@link cancel} came first. */
  async turn(pool: string): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.#waiting.get(pool)?.(false);
    this.#waiting.set(pool, resolve);
    this.#grant();
    return promise;
  }

  /** Ends the pool's wait. */
  cancel(pool: string): void {
    const resolve = this.#waiting.get(pool);
    this.#waiting.delete(pool);
    resolve?.(false);
  }

  /** Counts a run that starts in any case, whether or not a slot is free for it. */
  use(pool: string): void {
    this.#inUse++;
    const start = this.#startOf(pool);
    this.#now = start;
    this.#passes.set(pool, start + 1 / this.#weightOf(pool));
  }

  /** Whether the next run of this pool may use the slot of an ending one, without a new turn. */
  mayKeep(pool: string): boolean {
    const first = this.#next();
    return this.#inUse <= this.total && (first === undefined || this.#startOf(pool) < this.#startOf(first));
  }

  /** Frees a slot after a run, or if it was not needed. */
  release(): void {
    this.#inUse--;
    this.#grant();
  }

  #grant(): void {
    const pool = this.free > 0 ? this.#next() : undefined;
    if (pool === undefined) return;
    const resolve = this.#waiting.get(pool);
    this.#waiting.delete(pool);
    this.use(pool);
    resolve?.(true);
  }

  /** The waiting pool whose turn it is. */
  #next(): string | undefined {
    let first: string | undefined;
    for (const pool of this.#waiting.keys()) {
      if (first === undefined || this.#startOf(pool) < this.#startOf(first)) first = pool;
    }
    return first;
  }

  #startOf(pool: string): number {
    return Math.max(this.#passes.get(pool) ?? 0, this.#now);
  }
}
