/**
 * The slots of a node, which its pools share where it may run fewer tasks at once than they add up to. When pools wait for
 * a slot, each gets as many starts as its weight says: stride scheduling (Waldspurger and Weihl, 1995).
 */
export class Slots {
  readonly total: number;
  readonly #weightOf: (pool: string) => number;
  #inUse = 0;
  readonly #waiting = new Map<string, (granted: boolean) => void>();
  /** Of each pool, the point in virtual time of its next start. */
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

  /** A slot for this pool at once; false where all are in use, or others wait. */
  take(pool: string): boolean {
    if (this.free === 0 || this.#waiting.size > 0) return false;
    this.use(pool);
    return true;
  }

  /** A slot for this pool once it's its turn; false where {@link cancel} came first. */
  async turn(pool: string): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.#waiting.get(pool)?.(false);
    this.#waiting.set(pool, resolve);
    this.#grant();
    return promise;
  }

  /** The pool does not wait any more. */
  cancel(pool: string): void {
    const resolve = this.#waiting.get(pool);
    this.#waiting.delete(pool);
    resolve?.(false);
  }

  /** A run that is there anyway, whether or not a slot is free for it. */
  use(pool: string): void {
    this.#inUse++;
    const start = this.#startOf(pool);
    this.#now = start;
    this.#passes.set(pool, start + 1 / this.#weightOf(pool));
  }

  /** Whether a run of this pool that ends may be followed by the next one of the same pool, without a new turn. */
  mayKeep(pool: string): boolean {
    const first = this.#next();
    return this.#inUse <= this.total && (first === undefined || this.#startOf(pool) < this.#startOf(first));
  }

  /** A slot is free again, or was not needed. */
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

  /** Of the pools that wait, the one whose turn it is. */
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
