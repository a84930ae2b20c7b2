import type { Circuit } from '../domain/circuit.ts';
import { notFound } from '../domain/not-found.ts';
import { closeCircuit, listCircuits } from '../queue/bullmq/circuits.ts';
import { releaseHeld } from '../queue/bullmq/held-tasks.ts';
import type { ClientContext } from './context.ts';
import { MAX_EVENTS, type MeshEvents } from './events.ts';

/** A circuit, and the number of tasks that it holds. */
export interface CircuitView extends Circuit {
  /** Number of tasks that it holds. */
  readonly held: number;
}

/** Reads and closes circuits, which hold the tasks of a provider that fails. */
export class MeshCircuits {
  readonly #context: ClientContext;
  readonly #events: MeshEvents;

  constructor(context: ClientContext, events: MeshEvents) {
    this.#context = context;
    this.#events = events;
  }

  /** Circuits that are open or have counted failures. */
  async list(): Promise<Circuit[]> {
    return listCircuits(this.#context.redis, this.#context.keys);
  }

  /** Circuits with the number of tasks that each holds: open circuits first, then by name. */
  async view(): Promise<CircuitView[]> {
    const [circuits, held] = await Promise.all([this.list(), this.#context.reader.held()]);
    const heldBy = (name: string) =>
      held
        .filter(({ reason }) => reason?.kind === 'circuit' && reason.circuit === name)
        .reduce((sum, { count }) => sum + count, 0);
    return circuits
      .map((circuit) => ({ ...circuit, held: heldBy(circuit.name) }))
      .sort((a, b) => Number(a.openedAt === null) - Number(b.openedAt === null) || a.name.localeCompare(b.name));
  }

  /**
   * Closes the circuit of a provider that has recovered, and releases the tasks that it held.
   *
   * @returns whether it was open. @throws ClawmeshError `not-found` if there is no such circuit, nor lately was one.
   */
  async close(name: string): Promise<{ readonly closed: boolean; readonly released: number }> {
    const { redis, keys } = this.#context;
    const known = (await this.list()).map((circuit) => circuit.name);
    const answer = await closeCircuit(redis, keys, name, 'closed by hand');
    if (answer === 'absent') {
      const before = (await this.#events.newest({ limit: MAX_EVENTS })).flatMap(({ circuit }) => circuit ?? []);
      if (!before.includes(name)) throw notFound('circuit', name, [...known, ...before]);
    }
    // Any node's sweep would do this later; the operator should not have to wait.
    const { released } = await releaseHeld(redis, keys);
    return { closed: answer === 'closed', released };
  }
}
