import { type ErrorKind, type TaskError, taskError } from '../domain/task.ts';

/**
 * What OpenClaw's error texts mean, first match wins. OpenClaw has no code for most failures of a run; the provider's
 * HTTP status stands in the text (FACTS.md, "Errors"), and so do the few refusals of its own that matter here.
 */
const PATTERNS: readonly { readonly kind: ErrorKind; readonly matches: RegExp }[] = [
  { kind: 'rate_limit', matches: /HTTP 429|rate.?limit|too many requests|quota exceeded/i },
  {
    kind: 'auth',
    matches: /HTTP 40[13]\b|authentication failed|auth\/billing failure|invalid.api.key|not logged in|no api key/i,
  },
  {
    kind: 'invalid',
    matches:
      /HTTP 4(?:00|04|13|22)\b|unknown (?:model|agent)|invalid (?:agent params|thinking level|request)|thinking level .* not supported|context (?:length|window) exceeded/i,
  },
  { kind: 'timeout', matches: /timed? ?out|deadline|HTTP 408\b/i },
  {
    kind: 'provider',
    matches:
      /HTTP 5\d\d|overloaded|provider (?:internal )?error|service unavailable|ECONNREFUSED|ECONNRESET|fetch failed|network (?:connection )?error/i,
  },
];

/** Longest error message that is kept, in characters. */
const MAX_MESSAGE = 2_000;

/** The error behind a failure text of OpenClaw. */
export function classifyError(text: string): TaskError {
  const message = text.trim().slice(0, MAX_MESSAGE) || 'OpenClaw gave no reason';
  const kind = PATTERNS.find(({ matches }) => matches.test(message))?.kind ?? 'unknown';
  return taskError(kind, message);
}
