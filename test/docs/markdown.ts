import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

export const ROOT = resolve(import.meta.dirname, '../..');

/** What a comment before a block says to the tests; a page as shown has no trace of it. */
export interface Mark {
  /** `not run`, `file`, `keeps running` or `exits`. */
  readonly kind: string;
  /** After the colon: why it is not run, the name of the file, the output to wait for, or the exit code. */
  readonly text: string;
}

/** A fenced block of a page. */
export interface Block {
  readonly page: string;
  /** Of its fence, from 1. */
  readonly line: number;
  readonly language: string;
  readonly lines: readonly string[];
  readonly mark: Mark | undefined;
  /** Hidden commands that bring about what the block starts from. */
  readonly first: string | undefined;
}

/** A line of a page that is in no fenced block. */
export interface ProseLine {
  readonly line: number;
  readonly text: string;
}

export interface Page {
  readonly page: string;
  readonly blocks: readonly Block[];
  readonly prose: readonly ProseLine[];
}

const MARK = /^<!-- (not run|file|keeps running|exits)\b:?\s*(.*?)\s*-->$/;
const FIRST = /^<!-- first:\s*(.*?)\s*-->$/s;

/** @param page its path from the root of the repository. */
export function readPage(page: string): Page {
  return parsePage(page, readFileSync(join(ROOT, page), 'utf8'));
}

export function parsePage(page: string, text: string): Page {
  const all = text.split('\n');
  const blocks: Block[] = [];
  const prose: ProseLine[] = [];
  let comments: string[] = [];
  for (let at = 0; at < all.length; at++) {
    const text = all[at] ?? '';
    const fence = /^(\s*)(`{3,})\s*(\S*)/.exec(text);
    if (fence) {
      const [, indent = '', ticks = '', language = ''] = fence;
      const end = all.findIndex((line, other) => other > at && line.trim() === ticks);
      if (end < 0) throw new Error(`${page}:${at + 1}: the block has no end`);
      const lines = all.slice(at + 1, end).map((line) => line.slice(Math.min(indent.length, line.search(/\S|$/))));
      blocks.push({ page, line: at + 1, language, lines, ...marksOf(comments, `${page}:${at + 1}`) });
      comments = [];
      at = end;
      continue;
    }
    prose.push({ line: at + 1, text });
    if (text.trim().startsWith('<!--')) {
      const end = all.findIndex((line, other) => other >= at && line.includes('-->'));
      comments.push(
        all
          .slice(at, end + 1)
          .join('\n')
          .trim(),
      );
      at = Math.max(at, end);
    } else if (text.trim() !== '') {
      comments = [];
    }
  }
  return { page, blocks, prose };
}

function marksOf(comments: readonly string[], place: string): Pick<Block, 'mark' | 'first'> {
  const marks = comments.map((comment) => MARK.exec(comment)).filter((match) => match !== null);
  if (marks.length > 1) throw new Error(`${place}: several marks before one block`);
  const [, kind = '', text = ''] = marks[0] ?? [];
  if (kind && !text) throw new Error(`${place}: the mark "${kind}" gives no reason, name, output or code`);
  const first = comments.map((comment) => FIRST.exec(comment)?.[1]).find((found) => found !== undefined);
  return { mark: kind ? { kind, text } : undefined, first };
}

/** The anchors of a page's headings, as GitHub makes them. */
export function anchorsOf({ prose }: Page): Set<string> {
  const anchors = new Set<string>();
  for (const { text } of prose) {
    const heading = /^#{1,6}\s+(.*?)\s*#*$/.exec(text)?.[1];
    if (heading === undefined) continue;
    const plain = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase();
    const anchor = plain.replace(/[^\p{L}\p{N}\s_-]/gu, '').replace(/\s/g, '-');
    let unique = anchor;
    for (let n = 1; anchors.has(unique); n++) unique = `${anchor}-${n}`;
    anchors.add(unique);
  }
  return anchors;
}

/** Source files, scripts and tests that a page names in backticks, from the root or from `src`. */
export function filesNamed({ prose }: Page): string[] {
  const code = prose.flatMap(({ text }) => [...text.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name));
  return code.filter(
    (name) => /^[\w@./-]+\/[\w@.-]+\.(?:ts|tsx|lua|rb\.in|json|yaml)$/.test(name) && !/^[~./]/.test(name),
  );
}

/** The targets of links and images. A link may be broken over two lines. */
export function linksOf({ prose }: Page): { readonly line: number; readonly target: string }[] {
  const text = prose.map((line) => line.text).join('\n');
  const code = text.replace(/`[^`\n]*`/g, (found) => ' '.repeat(found.length));
  return [...code.matchAll(/\]\(([^)\s]+)\)|(?:src|href)="([^"]+)"/g)].map((match) => {
    const before = code.slice(0, match.index).split('\n').length - 1;
    return { line: prose[before]?.line ?? 0, target: match[1] ?? match[2] ?? '' };
  });
}
