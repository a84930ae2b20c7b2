const MASKED = '********';

/** Forms that secrets usually have; the whole match is masked. */
const PATTERNS: readonly RegExp[] = [
  /\bsk-[A-Za-z0-9_-]{12,}/g,
  /\b(?:gh[pousr]_|github_pat_)[A-Za-z0-9_]{20,}/g,
  /\bxox[abprs]-[A-Za-z0-9-]{10,}/g,
  /\bAKIA[A-Z0-9]{16}\b/g,
  /\bAIza[A-Za-z0-9_-]{30,}/g,
  /\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{5,}/g,
  /-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]*(?:-----END [A-Z ]*PRIVATE KEY-----)?/g,
];
/** What follows these words is the secret. */
const AFTER_WORDS: readonly RegExp[] = [
  /\b(authorization:\s*(?:bearer|basic)\s+)\S+/gi,
  /\b(bearer\s+)[A-Za-z0-9._~+/-]{16,}=*/gi,
  /\b((?:api[_-]?key|password|passwd|secret|token)\s*[=:]\s*["']?)[^\s"',;]{6,}/gi,
  /(\b[a-z][a-z0-9+.-]*:\/\/[^\s:/@]*:)[^\s@/]+(?=@)/gi,
];

/** Shorter values are too likely to occur by chance. */
const MIN_LENGTH = 6;

/**
 * Makes a function that masks the known secrets, and whatever looks like one. `answer`: less what only stands behind a word
 * such as "password", since the text is somebody's work, and more often a line of code than a leak.
 */
export function secretMasker(known: readonly string[], of: 'log' | 'answer' = 'log'): (text: string) => string {
  const values = known.filter((value) => value.length >= MIN_LENGTH).sort((a, b) => b.length - a.length);
  return (text) => {
    let masked = text;
    for (const value of values) masked = masked.replaceAll(value, MASKED);
    for (const pattern of PATTERNS) masked = masked.replace(pattern, MASKED);
    if (of === 'log') for (const pattern of AFTER_WORDS) masked = masked.replace(pattern, `$1${MASKED}`);
    return masked;
  };
}
