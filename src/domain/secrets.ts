const MASKED = '********';

/**
 * Forms that secrets usually have; the whole match is masked. Texts come from anybody and are up to megabytes long, so each
 * pattern is linear: wherever it may begin, what it reads can't begin another match.
 */
const PATTERNS: readonly RegExp[] = [
  /\bsk-[A-Za-z0-9_-]{12,}/g,
  /\b(?:gh[pousr]_|github_pat_)[A-Za-z0-9_]{20,}/g,
  /\bxox[abprs]-[A-Za-z0-9-]{10,}/g,
  /\bAKIA[A-Z0-9]{16}\b/g,
  /\bAIza[A-Za-z0-9_-]{30,}/g,
  /-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[^-]*(?:-----END [A-Z ]{0,40}PRIVATE KEY-----)?/g,
];
/** What follows these words is the secret. */
const AFTER_WORDS: readonly RegExp[] = [
  /\b(authorization:\s*(?:bearer|basic)\s+)\S+/gi,
  /\b(bearer\s+)[A-Za-z0-9._~+/-]{16,}=*/gi,
  /\b((?:api[_-]?key|password|passwd|secret|token)\s*[=:]\s*["']?)[^\s"',;]{6,}/gi,
  // The password of a URL. Its scheme could begin at each dot of a long word, so it is left to what precedes it.
  /(:\/\/[^\s:/@]*:)[^\s@/]+(?=@)/g,
];

/** Words of this length that may hold a JSON web token: three parts in base64url. */
const TOKEN_WORDS = /[A-Za-z0-9_.-]{27,}/g;
/** The least length of its parts. */
const TOKEN_PARTS = [13, 10, 5] as const;

/** Shorter values are too likely to occur by chance. */
const MIN_LENGTH = 6;

export type Mask = (text: string) => string;

/**
 * Makes a function that masks the known secrets, and whatever looks like one, in linear time. `answer`: less what only
 * stands behind a word such as "password", since the text is somebody's work, and more often a line of code than a leak.
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

/** A single pattern for these would begin again at each `eyJ` of a long word, and read it to its end each time. */
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

/** Beyond what is kept of a line, so many characters are still looked at, since a secret may begin before the cut. */
const AHEAD = 1_000;

/**
 * The line, masked, and cut to `length` characters with a `…` behind it. It is cut before it is looked at: what masking
 * costs is bounded, however long the line is.
 */
export function maskedLine(mask: Mask, line: string, length: number): string {
  const looked = line.slice(0, length + AHEAD);
  const masked = mask(looked);
  if (looked.length === line.length && masked.length <= length) return masked;
  // A secret that was cut in two looks like none; its first part is left out, too.
  const sure = looked.length === line.length ? masked.length : masked.length - AHEAD;
  return `${masked.slice(0, Math.max(0, Math.min(length, sure)))}…`;
}
