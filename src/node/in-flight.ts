/** Work that a service has begun outside its loop, on an event or for a caller. The service's stop waits for it. */
export class InFlight {
  readonly #work = new Set<Promise<unknown>>();

  /** @returns the same promise. */
  add<T>(work: Promise<T>): Promise<T> {
    this.#work.add(work);
    const remove = () => void this.#work.delete(work);
    work.then(remove, remove);
    return work;
  }

  /** Resolves when all of the work has ended, whether it succeeded or failed. */
  async ended(): Promise<void> {
    await Promise.allSettled(this.#work);
  }
}
