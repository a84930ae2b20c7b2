/** A notification that several loops can wait for. A wait sees only notifications after its beginning. */
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
