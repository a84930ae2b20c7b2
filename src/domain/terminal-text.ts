const ESC = String.fromCharCode(0x1b);
const BEL = String.fromCharCode(0x07);
const CSI = String.fromCharCode(0x9b);

/**
 * Escape sequences of terminals: control sequences (colours), whole strings for the terminal (titles, links), and short ones.
 * Each begins with a character that none holds, so that the search is linear; that of `node:util` is not.
 */
const SEQUENCES = new RegExp(
  [
    `(?:${ESC}\\[|${CSI})[0-?]*[ -/]*[@-~]`,
    `${ESC}[\\]PX^_][^${ESC}${BEL}]*(?:${BEL}|${ESC}\\\\)`,
    `${ESC}[ -/]*[0-Z\\\\^-~]`,
  ].join('|'),
  'g',
);

/** The text without what would steer a terminal by escape sequences; other control characters stay. */
export function withoutEscapes(text: string): string {
  return text.replace(SEQUENCES, '');
}
