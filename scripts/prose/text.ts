import { type Token, tokensOf } from './typescript.ts';

interface Span {
  readonly from: number;
  readonly to: number;
}

/** Quoted strings, so that dashes in them begin no comment, and comments, whose text is the first group. */
const LUA = /"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|--\[\[([\s\S]*?)\]\]|--([^\n]*)/g;
const MARKDOWN_CODE = /^( *)(```|~~~)[\s\S]*?^\1\2[^\n]*$|(`+)(?!`)[^\n]*?(?:\n(?!\s*\n)[^\n]*?)?(?<!`)\3(?!`)/gm;

/**
 * The text of a file for people, at the same offsets: all else is NUL, white space stays. A phrase may so run over two lines
 * of a comment, but not from one string into the next.
 */
export function proseOf(file: string, source: string): string {
  if (file.endsWith('.md')) return source.replace(MARKDOWN_CODE, blanked);
  if (file.endsWith('.lua')) return only(source, luaComments(source));
  const hasTitles = file.endsWith('.test.ts');
  const isProse = ({ kind, from, to }: Token) =>
    kind !== 'string' || (!hasTitles && /\S\s/.test(source.slice(from, to)));
  return only(source, tokensOf(source).filter(isProse));
}

function luaComments(source: string): Span[] {
  return [...source.matchAll(LUA)]
    .filter(([text]) => text.startsWith('--'))
    .map(({ 0: text, index }) => ({ from: index + 2, to: index + text.length }));
}

function only(source: string, spans: readonly Span[]): string {
  let [text, at] = ['', 0];
  for (const { from, to } of spans) {
    const between = source.slice(at, from);
    // Comment lines one below the other are one text.
    text += /^\s*(?:\/\/|--)$/.test(between) ? between.replace(/\S/g, ' ') : blanked(between);
    text += source.slice(from, to).replace(/^(\s*)\*/gm, '$1 ');
    at = to;
  }
  return text + blanked(source.slice(at));
}

function blanked(code: string): string {
  return code.replace(/\S/g, '\0');
}
