/** A manual page in roff, for `man`, with the macros of man(7). */
export class RoffPage {
  readonly #lines: string[];

  constructor(name: string, about: string) {
    this.#lines = [
      '.\\" Made from the commands themselves by `npm run docs`; do not edit.',
      `.TH ${name.toUpperCase()} 1 "" clawmesh "clawmesh manual"`,
      '.SH NAME',
      `${escaped(name)} \\- ${escaped(about)}`,
    ];
  }

  section(title: string): this {
    return this.#add(`.SH ${title}`);
  }

  subsection(title: string): this {
    return this.#add(`.SS ${escaped(title)}`);
  }

  /** A paragraph. */
  text(text: string): this {
    return this.#add('.PP', escaped(text));
  }

  /** A line of its own. */
  line(text: string): this {
    return this.#add(escaped(text), '.br');
  }

  /** A term and its meaning. */
  item(term: string, meaning: string): this {
    return this.#add('.TP', `.B ${escaped(term)}`, escaped(meaning));
  }

  /** Lines that are shown as they are. */
  code(lines: readonly string[]): this {
    return this.#add('.PP', '.nf', '.RS', ...lines.map(escaped), '.RE', '.fi');
  }

  seeAlso(names: readonly string[]): this {
    return this.#add('.SH SEE ALSO', names.map((name) => `${escaped(name)}(1)`).join(',\n'));
  }

  toString(): string {
    return `${this.#lines.join('\n')}\n`;
  }

  #add(...lines: string[]): this {
    this.#lines.push(...lines);
    return this;
  }
}

/** The text as roff shows it: no character of it is a command, and hyphens can be copied. */
function escaped(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^([.'])/, '\\&$1')
    .replace(/[^\p{ASCII}]/gu, (char) => `\\[u${char.codePointAt(0)?.toString(16).toUpperCase().padStart(4, '0')}]`);
}
