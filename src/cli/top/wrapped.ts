import { printable } from '../../domain/terminal-text.ts';
import { cellsOf } from '../cells.ts';

/** The text in lines of at most `columns`, broken between words where possible, without terminal controls. */
export function wrapped(text: string, columns: number): string[] {
  return printable(text)
    .split('\n')
    .flatMap((line) => wrappedLine(line.replaceAll('\t', '  '), Math.max(2, columns)));
}

function wrappedLine(text: string, columns: number): string[] {
  const lines: string[] = [];
  let line = '';
  let used = 0;
  const put = (piece: string) => {
    if (used > 0 && used + cellsOf(piece.trimEnd()) > columns) {
      lines.push(line.trimEnd());
      [line, used] = ['', 0];
    }
    line += piece;
    used += cellsOf(piece);
  };
  for (const word of text.split(/(?<=\s)/)) {
    if (cellsOf(word) <= columns) put(word);
    else for (const char of word) put(char);
  }
  return [...lines, line.trimEnd()];
}
