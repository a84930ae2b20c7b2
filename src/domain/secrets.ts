import { cutText } from './cut-text.ts';

const MASKED = '********';

/**
 * Common forms of secrets; the whole match is masked. The texts are untrusted and up to megabytes long, so each pattern
 * must be linear: no text that a match reads may be able to start another match.
 */
const PATTERNS: readonly RegExp[] = [
  /\bsk-[A-Za-z0-9_-]{12,}/g,
  /\b(?:gh[pousr]_|github_pat_)[A-Za-z0-9_]{20,}/g,
  /\bxox[abprs]-[A-Za-z0-9-]{10,}/g,
  /\bAKIA[A-Z0-9]{16}\b/g,
  /\bAIza[A-Za-z0-9_-]{30,}/g,
  /-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[^-]*(?:-----END [A-Z ]{0,40}PRIVATE KEY-----)?/g,
];
/** The secret follows these words. */
const AFTER_WORDS: readonly RegExp[] = [
  /\b(authorization:\s*(?:bearer|basic)\s+)\S+/gi,
  /\b(bearer\s+)[A-Za-z0-9._~+/-]{16,}=*/gi,
  /\b((?:api[_-]?key|password|passwd|secret|token)\s*[=:]\s*["']?)[^\s"',;]{6,}/gi,
  // The password of a URL. The pattern leaves out the scheme, which could begin at each dot of a long word.
  /(:\/\/[^\s:/@]*:)[^\s@/]+(?=@)/g,
];

/** Words that are long enough for a JSON web token: three parts in base64url. */
const TOKEN_WORDS = /[A-Za-z0-9_.-]{27,}/g;
/** The minimum lengths of its parts. */
const TOKEN_PARTS = [13, 10, 5] as const;

/** Shorter values are too likely to occur by chance. */
const MIN_LENGTH = 6;

export type Mask = (text: string) => string;

/**
 * Returns a function that masks the known secrets and everything that looks like one, in linear time. With `answer`, it
 * ignores words such as "password": in an agent's answer they are more often a line of code than a leak.
 */
export function secretMasker(known: readonly string[], of: 'log' | 'answer' = 'log'): Mask {
  const values = known.filter((value) => value.length >= MIN_LENGTH).sort((a, b) => b.length - a.length);
  return (text) => {
    let masked = text;
    for (const value of values) masked = masked.replaceAll(value, MASKED);
    for (const pattern of PATTERNS) masked = masked.replace(pattern, MASKED);
    masked = masked.replace(TOKEN_WORDS, withoutTokens);
    if (of === 'log') for (const pattern of AFTER_WORDS) masked = masked.replace(pattern, `$1${MASKED}`);
    return masked;
  };
}

/** A single regular expression would start at each `eyJ` of a long word, and read the word to its end each time. */
function withoutTokens(word: string): string {
  if (!word.includes('eyJ')) return word;
  const parts = word.split('.');
  const kept: string[] = [];
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i] as string;
    const at = part.search(/(?<![A-Za-z0-9_])eyJ/);
    const isToken =
      at >= 0 && TOKEN_PARTS.every((least, n) => (n === 0 ? part.length - at : (parts[i + n]?.length ?? 0)) >= least);
    kept.push(isToken ? part.slice(0, at) + MASKED : part);
    if (isToken) i += TOKEN_PARTS.length - 1;
  }
  return kept.join('.');
}

/** Characters that are searched beyond the kept part of a line, because a secret may begin before the cut. */
const AHEAD = 1_000;

/**
 * Masks the line and cuts it to `length` characters, with a `…` after them. The line is cut before it is masked, so
 * that the cost is bounded for lines of any length.
 */
export function maskedLine(mask: Mask, line: string, length: number): string {
  const looked = cutText(line, length + AHEAD);
  const masked = mask(looked);
  if (looked.length === line.length && masked.length <= length) return masked;
  // Half of a secret no longer looks like one, so the end of the searched part is dropped, too.
  const sure = looked.length === line.length ? masked.length : masked.length - AHEAD;
  return `${cutText(masked, Math.max(0, Math.min(length, sure)))}…`;
}
