import { cutText } from '../domain/cut-text.ts';
import type { ErrorKind } from '../domain/error-kind.ts';
import { type RunError, taskError } from '../domain/task.ts';
import { ACCOUNT_TEXTS, ERROR_TEXTS, type ErrorMeaning, type ErrorText, VERDICTS } from './openclaw-errors.ts';
import { waitAsked } from './reset-time.ts';

/** Longest error message to examine and keep, in characters. */
const MAX_MESSAGE = 2_000;
/** Longest wait, ms; a provider that asks for more is tried earlier all the same. */
const MAX_RETRY_AFTER_MS = 60 * 60_000;
/** The same if the account's quota is used up: quotas are often granted per day. */
const MAX_ACCOUNT_WAIT_MS = 24 * 60 * 60_000;
/** Wait for an account without quota or credit if the text names no time, ms: an operator has to act. */
const ACCOUNT_WAIT_MS = 5 * 60_000;

/** OpenClaw's own verdict on the failure: `(rate limited, HTTP 429)`. */
const VERDICT = new RegExp(`\\((${Object.keys(VERDICTS).join('|')})(?:, HTTP (\\d{3}))?\\)`);
/** An HTTP status, in the forms that OpenClaw accepts (its src/agents/failover/message-patterns.ts). */
const STATUS =
  /\bHTTP(?:\/\d(?:\.\d)?)?(?:[ _]status)?(?:[ _]code)?[ :=(]{1,3}(\d{3})\b|\bstatus(?:[ _-]?code)?["']?[ :=(]{1,3}(\d{3})\b|["']code["'] ?: ?(\d{3})\b|^(?:\W{0,3}\s?)?(?:error(?: code)?:? )?([45]\d\d)\b(?=[ :,]|$)/i;
/** The provider serves no requests: 503, and the 529 that some send for an overload. */
const OUTAGE_STATUS: ReadonlySet<number> = new Set([503, 529]);
/** A request refused for lack of credit has one of these. */
const ACCOUNT_STATUS: ReadonlySet<number> = new Set([401, 402, 403, 429]);
/** Anthropic refuses for lack of credit with a 400. */
const CREDIT_400 = /credit balance is too low/i;
/** Only the beginning of a text is matched, in characters; the rest describes other circumstances. */
const HEAD = 400;
/** Quoted text may be the user's words; the error objects of providers are not quotations. */
const QUOTED = /"[^"]*"|`[^`]*`|“[^”]*”/g;

/**
 * The error behind a failure text from OpenClaw.
 *
 * @param now wall-clock time of this machine, ms since the epoch, for texts that name a time of day.
 */
export function classifyError(text: string, now: number): RunError {
  const message = cutText(cutText(text, MAX_MESSAGE * 2).trim(), MAX_MESSAGE) || 'OpenClaw gave no reason';
  const { kind, scope } = meaningOf(message);
  const most = scope === 'account' ? MAX_ACCOUNT_WAIT_MS : MAX_RETRY_AFTER_MS;
  const asked = waitAsked(message, now) ?? (scope === 'account' ? ACCOUNT_WAIT_MS : undefined);
  return {
    ...taskError(kind, message),
    ...(scope === 'outage' && { outage: true }),
    ...(asked !== undefined && { retryAfterMs: Math.min(asked, most) }),
  };
}

function meaningOf(message: string): ErrorMeaning {
  const [, verdict, verdictStatus] = VERDICT.exec(message) ?? [];
  const found = verdict === undefined ? undefined : VERDICTS[verdict];
  if (found) return found.kind === 'provider' && !found.scope ? ofServerError(Number(verdictStatus)) : found;
  const status = Number(STATUS.exec(message)?.slice(1).find(Boolean));
  const said = (message.includes('{"') ? message : message.replace(QUOTED, '""')).slice(0, HEAD);
  const rowOf = (rows: readonly ErrorText[]) => rows.find(({ matches }) => matches.test(said));
  if (status === 402) return { kind: 'rate_limit', scope: 'account' };
  const account =
    ACCOUNT_STATUS.has(status) || (status === 400 && CREDIT_400.test(said)) ? rowOf(ACCOUNT_TEXTS) : undefined;
  if (account) return account;
  if (status >= 500) return ofServerError(status);
  const kind = kindOfStatus(status);
  return kind ? { kind } : (rowOf(ERROR_TEXTS) ?? { kind: 'unknown' });
}

function ofServerError(status: number): ErrorMeaning {
  return { kind: 'provider', ...(OUTAGE_STATUS.has(status) && { scope: 'outage' as const }) };
}

function kindOfStatus(status: number): ErrorKind | undefined {
  if (status === 429) return 'rate_limit';
  if (status === 401 || status === 403) return 'auth';
  if (status === 408) return 'timeout';
  return status >= 400 ? 'invalid' : undefined;
}
