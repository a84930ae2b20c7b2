import type { Circuit } from '../domain/circuit.ts';
import { notFound } from '../domain/not-found.ts';
import { closeCircuit as close } from '../queue/bullmq/circuits.ts';
import { releaseHeld } from '../queue/bullmq/held-tasks.ts';
import type { Mesh } from './mesh.ts';

/** A circuit, and how many tasks it holds back. */
export interface CircuitView extends Circuit {
  readonly held: number;
}

/** The log of events is cut at about this many. */
const MAX_EVENTS = 10_000;

/** The circuits that are open, then those that have counted failures, with how many tasks each holds back. */
export async function viewCircuits(mesh: Mesh): Promise<CircuitView[]> {
  const [circuits, held] = await Promise.all([mesh.circuits(), mesh.reader.held()]);
  const heldBy = (name: string) =>
    held
      .filter(({ reason }) => reason?.kind === 'circuit' && reason.circuit === name)
      .reduce((sum, { count }) => sum + count, 0);
  return circuits
    .map((circuit) => ({ ...circuit, held: heldBy(circuit.name) }))
    .sort((a, b) => Number(a.openedAt === null) - Number(b.openedAt === null) || a.name.localeCompare(b.name));
}

/**
 * Takes a provider to be well again: closes its circuit, and releases what that held back.
 *
 * @returns whether it was open. @throws ClawmeshError `not-found` where there is no such circuit, nor lately was one.
 */
export async function closeCircuit(
  mesh: Mesh,
  name: string,
): Promise<{ readonly closed: boolean; readonly released: number }> {
  const known = (await mesh.circuits()).map((circuit) => circuit.name);
  const answer = await close(mesh.redis, mesh.keys, name, 'closed by hand');
  if (answer === 'absent') {
    const before = (await mesh.events.newest({ limit: MAX_EVENTS })).flatMap(({ circuit }) => circuit ?? []);
    if (!before.includes(name)) throw notFound('circuit', name, [...known, ...before]);
  }
  // Any node's sweep would do this; whoever closes it by hand does not wait for one.
  const { released } = await releaseHeld(mesh.redis, mesh.keys);
  return { closed: answer === 'closed', released };
}
