import { type ErrorKind, type TaskError, taskError } from '../domain/task.ts';

/**
 * What OpenClaw's error texts mean. OpenClaw has no code for most failures of a run, but the provider's HTTP status stands
 * in the text where there was one (FACTS.md, "Errors"), and says more than the words around it.
 */
const STATUS = /HTTP (\d{3})\b/;

function kindOfStatus(status: number): ErrorKind | undefined {
  if (status === 429) return 'rate_limit';
  if (status === 401 || status === 403) return 'auth';
  if (status === 408) return 'timeout';
  if (status >= 500) return 'provider';
  return status >= 400 ? 'invalid' : undefined;
}

/** Words, where there is no status; first match wins. */
const WORDS: readonly { readonly kind: ErrorKind; readonly matches: RegExp }[] = [
  { kind: 'rate_limit', matches: /rate.?limit|too many requests|quota exceeded/i },
  { kind: 'auth', matches: /authentication failed|auth\/billing failure|invalid.api.key|not logged in|no api key/i },
  {
    kind: 'invalid',
    matches:
      /unknown (?:model|agent)|invalid (?:agent params|thinking level|request)|thinking level .* not supported|context (?:length|window) exceeded/i,
  },
  {
    kind: 'provider',
    matches:
      /overloaded|provider (?:internal )?error|service unavailable|ECONNREFUSED|ECONNRESET|fetch failed|network (?:connection )?error/i,
  },
  { kind: 'timeout', matches: /timed? ?out|deadline/i },
];

/** Longest error message that is kept, in characters. */
const MAX_MESSAGE = 2_000;

/** The error behind a failure text of OpenClaw. */
export function classifyError(text: string): TaskError {
  const message = text.trim().slice(0, MAX_MESSAGE) || 'OpenClaw gave no reason';
  const status = STATUS.exec(message)?.[1];
  const kind = (status && kindOfStatus(Number(status))) || WORDS.find(({ matches }) => matches.test(message))?.kind;
  return taskError(kind ?? 'unknown', message);
}
