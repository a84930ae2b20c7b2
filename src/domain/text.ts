import { isUtf8 } from 'node:buffer';

/** Why text with half a character is refused: JavaScript and JSON can represent it, UTF-8 can't. */
export const NOT_WELL_FORMED =
  'contains half a character (a lone surrogate such as \\ud83d); send the whole character, or leave it out';

/** JSON that every parser reads. Half a character, left by a cut, becomes the replacement character. */
export function wellFormedJson(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) => (typeof part === 'string' ? part.toWellFormed() : part));
}

/** What is wrong with these bytes as UTF-8 text; undefined if they are valid. */
export function utf8Problem(bytes: Buffer): string | undefined {
  const [first, second] = bytes;
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)) {
    return 'is UTF-16 text, expected UTF-8 (iconv -f UTF-16 -t UTF-8)';
  }
  if (bytes.includes(0)) return 'contains NUL bytes, so it is not UTF-8 text (it may be binary or UTF-16)';
  return isUtf8(bytes) ? undefined : 'is not UTF-8 text; convert it (iconv -f ISO-8859-1 -t UTF-8)';
}

/** Decodes UTF-8 text, without a byte order mark. @throws Error with the line and the encoding problem. */
export function utf8Text(bytes: Buffer): string {
  const problem = utf8Problem(bytes);
  if (problem === undefined) return withoutMark(bytes.toString('utf8'));
  for (let line = 1, start = 0; start <= bytes.length; line++) {
    const found = bytes.indexOf(0x0a, start);
    const end = found === -1 ? bytes.length : found;
    if (utf8Problem(bytes.subarray(start, end)) !== undefined) throw new Error(`line ${line} ${problem}`);
    start = end + 1;
  }
  throw new Error(problem);
}

/** Editors on Windows put a byte order mark before UTF-8 text. In joined files it may precede any line. */
export function withoutMark(text: string): string {
  return text.replace(/^\ufeff/, '');
}
