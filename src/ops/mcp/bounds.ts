import { cutText } from '../../domain/cut-text.ts';

/** Maximum sizes in a document for a model, whose context is small. */
export interface Bounds {
  /** Maximum length of a text, UTF-16 code units. */
  readonly characters: number;
  /** Maximum number of entries of a list, or members of an object. */
  readonly entries: number;
}

/** A copy of a document in which everything long is cut. */
export interface Bounded<T> {
  readonly document: T;
  /** One line per kind of place that was cut, such as `tasks[].message: at most 200 characters`. */
  readonly cut: readonly string[];
}

/** Cuts the long texts, lists and maps of a JSON document. The first entries of a list remain. */
export function bounded<T>(document: T, bounds: Bounds): Bounded<T> {
  const cut = new Set<string>();
  return { document: cutValue(document, '', bounds, cut) as T, cut: [...cut] };
}

function cutValue(value: unknown, path: string, bounds: Bounds, cut: Set<string>): unknown {
  const { characters, entries } = bounds;
  if (typeof value === 'string') {
    if (value.length > characters) cut.add(`${path}: at most ${characters} characters`);
    return cutText(value, characters);
  }
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) {
    if (value.length > entries) cut.add(`${path}: at most ${entries} entries`);
    return value.slice(0, entries).map((entry) => cutValue(entry, `${path}[]`, bounds, cut));
  }
  const members = Object.entries(value);
  if (members.length > entries) cut.add(`${path || 'document'}: at most ${entries} members`);
  const kept = members.slice(0, entries);
  return Object.fromEntries(
    kept.map(([name, member]) => [name, cutValue(member, path === '' ? name : `${path}.${name}`, bounds, cut)]),
  );
}

/** A part of a text, and where it is in the whole. */
export interface Part {
  readonly text: string;
  readonly from: number;
  readonly to: number;
  readonly length: number;
}

/** At most `length` code units of a text from `from` on, whole characters only. */
export function partOf(text: string, from: number, length: number): Part {
  const start = Math.min(isHighSurrogate(text, from - 1) ? from - 1 : from, text.length);
  const part = cutText(text.slice(start), length);
  return { text: part, from: start, to: start + part.length, length: text.length };
}

function isHighSurrogate(text: string, index: number): boolean {
  const unit = text.charCodeAt(index);
  return unit >= 0xd800 && unit <= 0xdbff;
}
