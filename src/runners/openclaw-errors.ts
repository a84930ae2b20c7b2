import type { ErrorKind } from '../domain/error-kind.ts';

export interface ErrorMeaning {
  readonly kind: ErrorKind;
  /**
   * `account`: quota or credit of the account is used up, until a time that the text may name. `outage`: the provider
   * currently serves no requests. Neither is the task's fault.
   */
  readonly scope?: 'account' | 'outage';
}

/** One row of {@link ERROR_TEXTS}. */
export interface ErrorText extends ErrorMeaning {
  /** Matched against the text without quotations in double quotes or backticks, since these may be the user's words. */
  readonly matches: RegExp;
  /**
   * A piece of OpenClaw's own code or texts that matches or produces such a text; a test looks for it in OpenClaw's
   * package.
   */
  readonly source: string;
  /** A text that this row matches. */
  readonly example: string;
}

const ACCOUNT = { kind: 'rate_limit', scope: 'account' } as const;
const OUTAGE = { kind: 'provider', scope: 'outage' } as const;

/**
 * OpenClaw's own verdicts on a failed request, as it prints them in brackets after `request failed`
 * (ASSISTANT_REQUEST_FAILURE_REASON in its src/agents/failover/assistant-request-failure-copy.ts, 2026.9.6).
 */
export const VERDICTS: Readonly<Record<string, ErrorMeaning>> = {
  'authentication failed': { kind: 'auth' },
  'authentication was rejected': { kind: 'auth' },
  'request format rejected': { kind: 'invalid' },
  'rate limited': { kind: 'rate_limit' },
  'provider overloaded': OUTAGE,
  'provider billing issue': ACCOUNT,
  'provider internal error': { kind: 'provider' },
  'request timed out': { kind: 'timeout' },
  // Caused by this Mac's trust store, or by a proxy between it and the provider.
  'TLS certificate error': { kind: 'unknown' },
  'context limit exceeded': { kind: 'invalid' },
  'model not found': { kind: 'invalid' },
  'provider session expired': { kind: 'unknown' },
};

/** Texts about quota and billing, with a status of 401, 402, 403 or 429, or without any. */
export const ACCOUNT_TEXTS: readonly ErrorText[] = [
  {
    ...ACCOUNT,
    matches: /insufficient[_ ](?:quota|balance|credits?|funds)|insufficient \w{1,20} balance|not enough credits/i,
    source: 'insufficient[_ ]quota',
    example: 'insufficient_quota: You have no credits left',
  },
  {
    ...ACCOUNT,
    matches:
      /exceeded (?:your|the) (?:current |monthly |daily |weekly )?(?:quota|usage|plan)|quota[_ -]?(?:limit )?(?:is )?(?:exceeded|exhausted|depleted|reached|used up)/i,
    source: 'exceeded your current quota',
    example: 'You exceeded your current quota, please check your plan and billing details.',
  },
  {
    ...ACCOUNT,
    matches:
      /credit balance|out of (?:credits|budget|extra usage)|(?:used|spent) (?:up )?all (?:of )?(?:available |your )?credits|requires? more credits|run out of credits|credits? (?:have been |are |is )?(?:exhausted|depleted|used up)|no credits/i,
    source: 'credit balance',
    example: 'Your credit balance is too low to access the API.',
  },
  {
    ...ACCOUNT,
    matches:
      /payment required|billing (?:error|hard limit|issue|problem|is )|plans? (?:&|and) billing|billing details|check your billing|available balance|past due/i,
    source: 'plans & billing',
    example:
      'fake (echo) returned a billing error — check your account for subscription or usage limits, then try again.',
  },
  {
    ...ACCOUNT,
    matches: /spend(?:ing)? limit|hard limit reached/i,
    source: 'spend(?:ing)?\\s+limit',
    example: 'You have reached your monthly spend limit.',
  },
  {
    ...ACCOUNT,
    matches:
      /\b(?:daily|weekly|monthly|5-hour|hourly)(?:[/ ](?:daily|weekly|monthly))* (?:usage |request |token |message )?(?:limit|quota|cap)\b/i,
    source: 'PERIODIC_USAGE_LIMIT_RE',
    example: 'Daily limit reached, resets at 2026-11-28T00:00:00Z',
  },
  {
    ...ACCOUNT,
    matches: /usage[_ ]?limit|(?:requests|tokens) per day|hit your (?:\w{1,20} )?limit/i,
    source: 'usage limit',
    example: "You've hit your usage limit. Try again in 3 hours 5 minutes.",
  },
  {
    ...ACCOUNT,
    matches: /余额不足|欠费|配额不足|配额已用尽|额度不足|额度已用尽/,
    source: '余额不足',
    example: '账户余额不足',
  },
];

/** Texts without a verdict or status; the first row that matches counts. */
export const ERROR_TEXTS: readonly ErrorText[] = [
  // Output of the agent's tools or commands says nothing about the provider, whatever its words.
  {
    kind: 'unknown',
    matches: /^(?:\W{0,3}\s?)?(?:Command|Exec|Tool)\b/,
    source: 'Command did not run: approval timed out.',
    example: 'Command failed: grep -r rate limit src',
  },
  // Login.
  {
    kind: 'auth',
    matches: /route-compatible authentication source|no compatible credential source/i,
    source: 'No route-compatible authentication source is configured for',
    example: 'No route-compatible authentication source is configured for openai.',
  },
  {
    kind: 'auth',
    matches: /\b(?:missing|no) api[ _]?key/i,
    source: 'Missing API key for provider',
    example: '⚠️ Missing API key for provider "openai". Configure the gateway auth for that provider, then try again.',
  },
  {
    kind: 'auth',
    matches:
      /(?:invalid|incorrect)[_ ]?api[_ ]?key|api[_ ]?key(?:[_ ](?:is|was))?[_ ](?:invalid|not valid|revoked|deactivated|deleted|expired)|key has been (?:disabled|revoked)/i,
    source: 'incorrect api key',
    example: 'Incorrect API key provided: sk-…',
  },
  {
    kind: 'auth',
    matches: /no credentials (?:found|configured)|could not (?:authenticate|validate)|credential is expired/i,
    source: 'No credentials found for profile',
    example: 'No credentials found for profile "openai:default".',
  },
  {
    kind: 'auth',
    matches:
      /authentication (?:failed|error|was rejected)|auth\/billing failure|failed to authenticate|not logged in|unauthorized\b/i,
    source: 'is temporarily disabled after a provider auth/billing failure',
    example:
      'Inline API key for provider "fake" is temporarily disabled after a provider auth/billing failure. Retry after about 1 minute',
  },
  {
    kind: 'auth',
    matches: /(?:token|oauth) refresh failed|(?:session|token|login) (?:has |looks )?expired|re-?authenticate/i,
    source: 'OAuth token refresh failed for',
    example: 'OAuth token refresh failed for openai: invalid_grant. Please try again or re-authenticate.',
  },
  {
    kind: 'auth',
    matches:
      /auth profile (?:\S{0,80} )?(?:is unavailable|is not configured|unavailable)|auth profiles are temporarily unavailable|sign in to \S{1,60}\. Your saved login|accepting your saved login|with any of your saved logins/i,
    source: 'The selected auth profile is unavailable',
    example: "The selected auth profile is unavailable in this agent's OpenClaw credential store.",
  },
  {
    kind: 'auth',
    matches:
      /account has been deactivated|deactivated[_ ]workspace|not allowed for this organization|permission_error|insufficient permissions?\b|access denied/i,
    source: 'account has been deactivated',
    example: 'permission_error: your account has been deactivated',
  },
  // Errors that no further attempt can fix.
  {
    kind: 'invalid',
    matches:
      /unknown (?:model|agent)|model[_ -]not[_ -]found|is not a valid model id|selected model was not found|model is unavailable from the provider|model_is_deactivated|model has been deactivated/i,
    source: 'Unknown model: ',
    example: 'Unknown model: nope/none. Run `openclaw models list`',
  },
  {
    kind: 'invalid',
    matches: /invalid (?:agent params|thinking level)|thinking level .{0,60}not supported/i,
    source: 'Thinking level "',
    example: 'Thinking level "low" is not supported for fake/echo. Use one of: off.',
  },
  {
    kind: 'invalid',
    matches:
      /context overflow|context (?:length|window|limit) (?:is )?exceeded|prompt (?:is )?too (?:long|large)|maximum context length|exceeds model context window|request_too_large/i,
    source: 'Context overflow: prompt too large for the model.',
    example: 'Context overflow: prompt too large for the model. Try /reset (or /new) to start a fresh session.',
  },
  {
    kind: 'invalid',
    matches:
      /provider rejected the (?:request|conversation)|LLM request rejected|Gateway rejected a session transcript|invalid_request_error|invalid request\b/i,
    source: 'LLM request failed: provider rejected the request schema or tool payload.',
    example: 'LLM request failed: provider rejected the request schema or tool payload.',
  },
  // Quota and billing texts are matched at this point, and then limits that pass by themselves.
  ...ACCOUNT_TEXTS,
  {
    kind: 'rate_limit',
    matches:
      /rate[-_ ]?limit|too many (?:concurrent )?requests|throttl(?:ed|ing)|resource[_ -]?exhausted|tokens per minute|model_cooldown|asking us to slow down|请求过于频繁|频率限制/i,
    source: '⚠️ API rate limit reached. Please try again later.',
    example: '⚠️ API rate limit reached. Please try again later.',
  },
  {
    ...OUTAGE,
    matches:
      /overloaded|at capacity|service[_ ](?:temporarily[_ ])?unavailable|high (?:demand|load)|temporarily unavailable|服务过载|服务暂时不可用|服务繁忙/i,
    source: 'The AI service is temporarily overloaded. Please try again in a moment.',
    example: 'The AI service is temporarily overloaded. Please try again in a moment.',
  },
  {
    kind: 'provider',
    matches:
      /(?:internal server|internal|server|upstream|backend)[_ ]error|bad gateway|gateway timeout|provider is having issues|temporary internal error|invalid streaming response|malformed fragment|provider (?:returned|completed) (?:a|an|tool|stream)/i,
    source: 'LLM request failed: provider returned an internal error.',
    example: 'LLM request failed: provider returned an internal error.',
  },
  {
    kind: 'provider',
    matches:
      /\bE(?:CONNREFUSED|CONNRESET|CONNABORTED|PIPE|NOTFOUND|AI_AGAIN|HOSTUNREACH|NETUNREACH)\b|fetch failed|socket hang up|network (?:connection |request )?(?:error|failed|was interrupted)|connection (?:error|refused|reset|aborted)|DNS lookup|endpoint is unreachable|stream ended (?:before|without)|premature close/i,
    source: 'LLM request failed: connection refused by the provider endpoint.',
    example: 'LLM request failed: connection refused by the provider endpoint.',
  },
  {
    kind: 'timeout',
    matches: /timed? ?out|deadline exceeded|no output for \d|hasn't been responding/i,
    source: 'LLM request timed out.',
    example: 'LLM request timed out.',
  },
];
