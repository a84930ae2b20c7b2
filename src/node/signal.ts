/** Something several loops can wait for. A wait only ever sees notifications that come after it began. */
export class Signal {
  #next = Promise.withResolvers<void>();

  /** Resolves with the next {@link notify}. */
  wait(): Promise<void> {
    return this.#next.promise;
  }

  notify(): void {
    this.#next.resolve();
    this.#next = Promise.withResolvers<void>();
  }
}
