const ESC = String.fromCharCode(0x1b);
const BEL = String.fromCharCode(0x07);
const CSI = String.fromCharCode(0x9b);

/**
 * Terminal escape sequences: control sequences (colours), strings for the terminal (titles, links), and short
 * sequences. Each starts with a character that no sequence contains, so the search is linear; the pattern of
 * `node:util` is not.
 */
const SEQUENCES = new RegExp(
  [
    `(?:${ESC}\\[|${CSI})[0-?]*[ -/]*[@-~]`,
    `${ESC}[\\]PX^_][^${ESC}${BEL}]*(?:${BEL}|${ESC}\\\\)`,
    `${ESC}[ -/]*[0-Z\\\\^-~]`,
  ].join('|'),
  'g',
);

/** Removes terminal escape sequences from the text; other control characters stay. */
export function withoutEscapes(text: string): string {
  return text.replace(SEQUENCES, '');
}

/** Control characters except line break and tab, other line breaks, and bidirectional controls. */
export const STEERING = /[^\P{Cc}\n\t]|[\u2028-\u202e\u2066-\u2069]/gu;

/** Text with line breaks, without terminal or bidirectional controls. */
export function printable(text: string): string {
  return withoutEscapes(text).replace(/\r\n/g, '\n').replace(STEERING, '�');
}
