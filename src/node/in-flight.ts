/** Work that a service begins outside its loop, on an event or for a caller. After the service's stop none begins. */
export class InFlight {
  readonly #work = new Set<Promise<unknown>>();
  #isOver = false;

  /** Whether the service has stopped. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Begins the work at once, and returns what it returns. Does nothing after {@link end}. */
  async run<T>(begin: () => Promise<T>): Promise<T | undefined> {
    if (this.#isOver) return undefined;
    const work = begin();
    this.#work.add(work);
    try {
      return await work;
    } finally {
      this.#work.delete(work);
    }
  }

  /** Lets no more work begin. Resolves when the work under way has ended, whether it succeeded or failed. */
  async end(): Promise<void> {
    this.#isOver = true;
    await Promise.allSettled(this.#work);
  }
}
