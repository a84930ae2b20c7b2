import { InvalidArgumentError } from 'commander';
import { ClawmeshError } from '../domain/errors.ts';
import { nearest } from '../domain/names.ts';

/** The names on the way to a member of a JSON document: `error.kind` is `['error', 'kind']`. */
export type FieldPath = readonly string[];

/** Parses `id,error.kind,history[].at`; a leading dot and `[]` are allowed, as in jq. */
export function fieldsOption(text: string): FieldPath[] {
  return text.split(',').map((field) => {
    const path = field.trim().replace(/^\./, '').replaceAll('[]', '').split('.');
    if (path.includes('')) throw new InvalidArgumentError('Expected names such as id,state,error.kind.');
    return path;
  });
}

/**
 * The value with only these members; those that are absent are null. A path that leads to a list applies to each of its
 * entries.
 *
 * @throws ClawmeshError `usage` if the value is an object without one of the first names.
 */
export function selectFields(value: unknown, paths: readonly FieldPath[]): unknown {
  if (isObject(value)) for (const [name = ''] of paths) checkName(name, Object.keys(value));
  return select(value, paths);
}

function select(value: unknown, paths: readonly FieldPath[]): unknown {
  // The whole value is selected.
  if (paths.some((path) => path.length === 0)) return value;
  if (Array.isArray(value)) return value.map((entry) => select(entry, paths));
  if (!isObject(value)) return null;
  const byName = Map.groupBy(paths, ([name = '']) => name);
  const members = [...byName].map(([name, within]) => {
    const member = Object.hasOwn(value, name) ? value[name] : null;
    return [
      name,
      select(
        member,
        within.map((path) => path.slice(1)),
      ),
    ] as const;
  });
  return Object.fromEntries(members);
}

function checkName(name: string, known: readonly string[]): void {
  if (known.includes(name)) return;
  const likely = nearest(name, known);
  throw new ClawmeshError('usage', `--fields: there is no field ${JSON.stringify(name)}`, {
    remedy: likely ? `did you mean ${likely}?` : `fields: ${known.join(', ')}`,
  });
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
