/** `${NAME}` or `${NAME:-default}`. A default can't contain another reference, so that no text is expanded twice. */
const REFERENCE = /\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}\n$]*(?:\$(?!\{)[^}\n$]*)*))?\}/g;
const OPEN = '\uE000';
const CLOSE = '\uE001';
const PAD = '\uE002';
/** Characters reserved for placeholders. In a config they would be mistaken for a reference; no config needs them. */
export const RESERVED = new RegExp(`[${OPEN}${CLOSE}${PAD}]`);
const PLACEHOLDER = new RegExp(`${OPEN}([0-9a-z]+)${PAD}*${CLOSE}`, 'g');

export interface EnvReference {
  readonly name: string;
  readonly fallback: string | undefined;
}

/**
 * A config text whose `${NAME}` references are hidden from the YAML parser.
 *
 * The braces of a reference would end a flow mapping (`{url: …, token: ${TOKEN}}`). A value inserted before parsing
 * could change the structure (`#`, `: `, quotes). So each reference becomes a placeholder of the same length, which
 * keeps lines and columns. It is expanded after parsing, inside its scalar.
 */
export class EnvText {
  readonly text: string;
  readonly #references: EnvReference[] = [];

  constructor(source: string) {
    this.text = source.replace(REFERENCE, (whole, name: string, fallback: string | undefined) => {
      const index = this.#references.push({ name, fallback }) - 1;
      return `${OPEN}${index.toString(36)}`.padEnd(whole.length - 1, PAD) + CLOSE;
    });
  }

  /** The references inside a scalar. */
  referencesIn(scalar: string): EnvReference[] {
    return [...scalar.matchAll(PLACEHOLDER)].flatMap((match) => this.#reference(match[1]) ?? []);
  }

  /**
   * Expands the references in a scalar. `missing` lists variables that have neither a value nor a default; `garbled`
   * lists variables that were not UTF-8, in which Node.js has put replacement characters.
   */
  expand(scalar: string, env: NodeJS.ProcessEnv): { value: string; missing: string[]; garbled: string[] } {
    const missing: string[] = [];
    const garbled: string[] = [];
    const value = scalar.replace(PLACEHOLDER, (_, index: string) => {
      const reference = this.#reference(index);
      const found = reference && (env[reference.name] || reference.fallback);
      if (reference && found === undefined) missing.push(reference.name);
      if (reference && found?.includes('\ufffd')) garbled.push(reference.name);
      return found ?? '';
    });
    return { value, missing, garbled };
  }

  #reference(index: string | undefined): EnvReference | undefined {
    return index === undefined ? undefined : this.#references[Number.parseInt(index, 36)];
  }
}
