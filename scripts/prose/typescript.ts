export interface Token {
  /** A title is the first argument of `it(`, `describe.each(…)(` and the like. */
  readonly kind: 'comment' | 'string' | 'title';
  /** The text without its quotes or marks: its first character, and the one after its last. */
  readonly from: number;
  readonly to: number;
}

/** The code before the last bracket of `it.each<T>([…])(`, with what earlier brackets held left out. */
const TEST_CALL = /(?<![\w.])(?:it|describe|test)(?:\.\w+|<.*>|\(\))*$/;
/** A slash after these begins a regular expression; after anything else it divides. */
const BEFORE_REGEXP = /(?:^|[=(,:;!&|?{}[+\-*%<>~^]|\b(?:return|typeof|case|of|in|void|await|yield) ?)$/;
const REGEXP = /\/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/\w*/y;
/** How much of the code before a place decides what it is. */
const LOOK_BACK = 60;

interface Bracket {
  readonly kind: 'test' | 'template' | 'other';
  readonly codeBefore: string;
}

/** Finds comments, strings and the pieces of templates. TypeScript's own parser is a program without an API since version 7. */
export function tokensOf(source: string): Token[] {
  const tokens: Token[] = [];
  const open: Bracket[] = [];
  let code = '';
  let at = 0;
  while (at < source.length) {
    const char = source[at] ?? '';
    if (source.startsWith('//', at)) comment('\n');
    else if (source.startsWith('/*', at)) comment('*/');
    else if (char === '/' && BEFORE_REGEXP.test(code)) regexp();
    else if (char === "'" || char === '"') quoted(char);
    else if (char === '`') template();
    else if (char === '}' && open.at(-1)?.kind === 'template') {
      open.pop();
      template();
    } else plain(char);
  }
  return tokens;

  function comment(end: string): void {
    const found = source.indexOf(end, at + 2);
    const to = found < 0 ? source.length : found;
    tokens.push({ kind: 'comment', from: at + 2, to });
    at = end === '\n' ? to : to + end.length;
  }

  function regexp(): void {
    REGEXP.lastIndex = at;
    at += REGEXP.exec(source)?.[0].length ?? 1;
    code = '/';
  }

  function quoted(quote: string): void {
    at = text(at + 1, (to) => source[to] === quote) + 1;
    code = quote;
  }

  function template(): void {
    at = text(at + 1, (to) => source[to] === '`' || source.startsWith('${', to));
    code = '`';
    if (source[at] === '`') at += 1;
    else {
      open.push({ kind: 'template', codeBefore: '' });
      at += 2;
      code = '';
    }
  }

  function text(from: number, ends: (to: number) => boolean): number {
    let to = from;
    while (to < source.length && !ends(to)) to += source[to] === '\\' ? 2 : 1;
    tokens.push({ kind: code === '' && open.at(-1)?.kind === 'test' ? 'title' : 'string', from, to });
    return to;
  }

  function plain(char: string): void {
    at += 1;
    if ('([{'.includes(char)) {
      open.push({ kind: char === '(' && TEST_CALL.test(code) ? 'test' : 'other', codeBefore: code });
      code = '';
    } else if (')]}'.includes(char)) {
      const closed = open.pop();
      code = `${closed?.codeBefore ?? ''}${closed && char === ')' ? '(' : ''}${char}`.slice(-LOOK_BACK);
    } else if (!/\s/.test(char)) code = (code + char).slice(-LOOK_BACK);
    else if (/\w$/.test(code)) code += ' ';
  }
}
