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
      /unknown (?:model|agent)|invalid (?:agent params|thinking level|request)|thinking level .* not supported|context (?:length|window) exceeded|provider rejected the request/i,
  },
  {
    kind: 'provider',
    matches:
      /overloaded|provider (?:internal )?error|service unavailable|ECONNREFUSED|ECONNRESET|fetch failed|network (?:connection )?error/i,
  },
  { kind: 'timeout', matches: /timed? ?out|deadline/i },
];

/** A provider that asks for more is asked again all the same, ms. */
const MAX_RETRY_AFTER_MS = 60 * 60_000;
/** Longest error message that is kept, in characters. */
const MAX_MESSAGE = 2_000;

/** `Retry-After: 30`, `retry after 30s`, `try again in 1.5 minutes`; seconds where no unit is named. */
const RETRY_AFTER = /(?:retry[- ]after|try again in)[:=\s]*(\d+(?:\.\d+)?)\s*(ms|milliseconds?|m|min(?:ute)?s?)?/i;

/** How long the provider asks to be left alone, ms. */
function retryAfter(message: string): number | undefined {
  const [, amount, unit = ''] = RETRY_AFTER.exec(message) ?? [];
  if (amount === undefined) return undefined;
  const factor = /^(ms|milli)/i.test(unit) ? 1 : /^m/i.test(unit) ? 60_000 : 1_000;
  return Math.min(Math.round(Number(amount) * factor), MAX_RETRY_AFTER_MS);
}

/** The error behind a failure text of OpenClaw. */
export function classifyError(text: string): TaskError {
  const message = text.trim().slice(0, MAX_MESSAGE) || 'OpenClaw gave no reason';
  const status = STATUS.exec(message)?.[1];
  const kind = (status && kindOfStatus(Number(status))) || WORDS.find(({ matches }) => matches.test(message))?.kind;
  const retryAfterMs = retryAfter(message);
  return { ...taskError(kind ?? 'unknown', message), ...(retryAfterMs !== undefined && { retryAfterMs }) };
}
