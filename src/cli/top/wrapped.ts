import { printable } from '../output.ts';

/** Characters from here on may take two columns of a terminal. A narrow one among them only ends its line early. */
const FIRST_WIDE = 0x1100;

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
    if (used > 0 && used + widthOf(piece.trimEnd()) > columns) {
      lines.push(line.trimEnd());
      [line, used] = ['', 0];
    }
    line += piece;
    used += widthOf(piece);
  };
  for (const word of text.split(/(?<=\s)/)) {
    if (widthOf(word) <= columns) put(word);
    else for (const char of word) put(char);
  }
  return [...lines, line.trimEnd()];
}

function widthOf(text: string): number {
  let width = 0;
  for (const char of text) width += (char.codePointAt(0) ?? 0) >= FIRST_WIDE ? 2 : 1;
  return width;
}
