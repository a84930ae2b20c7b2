import { ClawmeshError } from './errors.ts';
import { nearest } from './names.ts';

/** Error for an unknown node, pool, circuit or mesh, with the most likely intended name. */
export function notFound(
  what: 'node' | 'pool' | 'circuit' | 'mesh',
  name: string,
  known: readonly string[],
): ClawmeshError {
  const likely = nearest(name, known);
  const remedy = likely ? `did you mean ${likely}?` : `see clawmesh ${what} list`;
  return new ClawmeshError('not-found', `no ${what} ${asTyped(name)}`, { remedy });
}

/** User input, made safe to show on one line. */
export function asTyped(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, 80);
}
