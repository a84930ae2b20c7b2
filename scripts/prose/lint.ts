import { EXCEPTIONS, OLD_NAMES, PHRASES, type Rule } from './rules.ts';
import { proseOf } from './text.ts';

export interface Hit {
  readonly file: string;
  readonly line: number;
  readonly found: string;
  readonly better: string;
}

interface Found {
  readonly at: number;
  readonly text: string;
  readonly better: string;
}

const MAX_WORDS = 40;
const MAX_COLUMNS = 120;

const findNames = finder(OLD_NAMES, 'g', (pattern) => pattern);
const findPhrases = finder(PHRASES, 'gi', (pattern) => `(?<![\\w-])(?:${pattern.replaceAll(' ', '\\s+')})(?![\\w-])`);

/** Old names and phrases that read as translated; in Markdown also long sentences and lines. */
export function lint(file: string, source: string): Hit[] {
  const prose = proseOf(file, source);
  const found = [...findNames(source), ...findPhrases(prose)];
  const isPage = file.endsWith('.md');
  // A decision is a record with figures.
  if (isPage && !file.startsWith('docs/adr/')) found.push(...longSentences(prose));
  // The lines of a generated page come from elsewhere.
  if (isPage && !source.includes('<!-- Made from')) found.push(...longLines(prose));
  return found
    .map(({ at, text, better }) => {
      const line = source.slice(0, at).split('\n').length;
      return { file, line, found: text.replace(/\s+/g, ' '), better };
    })
    .filter((hit) => !EXCEPTIONS.some((one) => one.file === file && (one.found ?? hit.found) === hit.found))
    .sort((a, b) => a.line - b.line);
}

/** Looks for all rules in one pass: the group that matched says which. */
function finder(rules: readonly Rule[], flags: string, whole: (pattern: string) => string) {
  const any = new RegExp(rules.map(({ wrong }) => `(${whole(wrong.source)})`).join('|'), flags);
  return (text: string): Found[] =>
    [...text.matchAll(any)].map((match) => {
      const rule = rules[match.slice(1).findIndex((group) => group !== undefined)];
      return { at: match.index, text: match[0], better: rule?.better ?? '' };
    });
}

/** What ends a paragraph: an empty line, a heading, a table, the next item of a list, a line of code. */
const NEXT_BLOCK = String.raw`\s*$|\s*\||#|\s*(?:[-*>]|\d+\.)\s|[ \0]+$`;
const BLOCK = new RegExp(String.raw`^(?!\s*$|\s*\||#|[ \0]+$).*\n?(?:(?!${NEXT_BLOCK}).*\n?)*`, 'gm');
const SENTENCE = /\S(?:[^.!?]|[.!?](?![*_)”"’]*\s))*/g;

function longSentences(prose: string): Found[] {
  const better = `at most ${MAX_WORDS} words in a sentence`;
  return [...prose.matchAll(BLOCK)].flatMap((block) =>
    [...block[0].matchAll(SENTENCE)].flatMap((sentence) => {
      const words = sentence[0].split(/\s+/).filter((word) => /[\p{L}\p{N}\0]/u.test(word));
      if (words.length <= MAX_WORDS) return [];
      const beginning = words.slice(0, 5).join(' ').replace(/\0+/g, '`…`');
      return [{ at: block.index + sentence.index, text: `${beginning} … (${words.length} words)`, better }];
    }),
  );
}

function longLines(prose: string): Found[] {
  return [...prose.matchAll(new RegExp(`^(?!\\|).{${MAX_COLUMNS + 1},}$`, 'gm'))]
    .filter(([line]) => /[^\s\0]/.test(line))
    .map(({ 0: line, index }) => ({ at: index, text: `${line.length} columns`, better: `at most ${MAX_COLUMNS}` }));
}
