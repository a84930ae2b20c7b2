import { InvalidArgumentError } from 'commander';
import { POOL_NAME, POOL_NAME_HINT, TAG } from '../domain/names.ts';
import { DURATION_HINT, parseDuration } from '../domain/units.ts';

/** Parsers for option values; commander turns their exceptions into a usage error that names the option. */

export function durationOption(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined) throw new InvalidArgumentError(`Expected ${DURATION_HINT}.`);
  return ms;
}

/** How long a pause lasts: at least a second, since 0 would mean no end. */
export function pauseDuration(text: string): number {
  const ms = durationOption(text);
  if (ms < 1_000) throw new InvalidArgumentError('Expected at least 1s.');
  return ms;
}

export function numberOption(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^-?\d+$/.test(text) || value < min || value > max) {
      throw new InvalidArgumentError(`Expected a whole number from ${min} to ${max}.`);
    }
    return value;
  };
}

export function tagOption(text: string, tags: Record<string, string> = {}): Record<string, string> {
  const [, name, value] = TAG.exec(text) ?? [];
  if (name === undefined || value === undefined) throw new InvalidArgumentError('Expected name=value.');
  return { ...tags, [name]: value };
}

/** The name of a pool, which need not exist. A wrong case is an error. */
export function poolOption(text: string): string {
  if (!POOL_NAME.test(text)) throw new InvalidArgumentError(`Expected ${POOL_NAME_HINT}.`);
  return text;
}

/** One of these choices; completion scripts offer them, too. */
export function choiceOption<T extends string>(
  choices: readonly T[],
): ((text: string) => T) & { choices: readonly T[] } {
  const parse = (text: string): T => {
    const found = choices.find((choice) => choice === text);
    if (found === undefined) throw new InvalidArgumentError(`Expected one of ${choices.join(', ')}.`);
    return found;
  };
  return Object.assign(parse, { choices });
}
