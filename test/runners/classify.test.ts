import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { classifyError } from '../../src/runners/classify.ts';

const NOW = Date.parse('2026-11-27T12:00:30Z');
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

describe('classification of OpenClaw’s error texts', () => {
  // The texts are those the real OpenClaw 2026.9.6 gave.
  it.each([
    [
      '⚠️ fake/echo request failed (authentication failed, HTTP 401). Re-authenticate the provider and try again.',
      'auth',
    ],
    ['Inline API key for provider "fake" is temporarily disabled after a provider auth/billing failure.', 'auth'],
    ['No route-compatible authentication source is configured for openai.', 'auth'],
    ['fake/echo request failed (provider internal error, HTTP 500).', 'provider'],
    ['request failed (rate limited, HTTP 429)', 'rate_limit'],
    ['request timed out after retries (provider internal error, HTTP 503)', 'provider'],
    ['request timed out (HTTP 408)', 'timeout'],
    ['Unknown model: nope/none. Run `openclaw models list`', 'invalid'],
    ['Thinking level "low" is not supported for fake/echo. Use one of: off.', 'invalid'],
    ['LLM request failed: provider rejected the request schema or tool payload', 'invalid'],
    ['LLM request timed out.', 'timeout'],
    ['connect ECONNREFUSED 127.0.0.1:1', 'provider'],
    ['something else', 'unknown'],
    ['', 'unknown'],
  ])('classifies %j as %s', (text, kind) => expect(classifyError(text, NOW).kind).toBe(kind));

  it.each([
    ['HTTP 402', 'rate_limit'],
    ['HTTP 403', 'auth'],
    ['HTTP 403: your organisation may not use this model', 'auth'],
    ['HTTP/1.1 402 Payment Required', 'rate_limit'],
    ['{"error":{"code":402,"message":"This request requires more credits"}}', 'rate_limit'],
    ['HTTP 400: Your credit balance is too low to access the Anthropic API', 'rate_limit'],
    ['429 {"error":{"message":"You exceeded your current quota","type":"insufficient_quota"}}', 'rate_limit'],
    ['429 {"error":{"code":429,"status":"RESOURCE_EXHAUSTED"}}', 'rate_limit'],
    [
      '⚠️ anthropic/opus request failed (provider billing issue, HTTP 400). Check anthropic billing and try again.',
      'rate_limit',
    ],
    ['503 Service Unavailable', 'provider'],
    ['529 {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}', 'provider'],
  ])('classifies %j as %s', (text, kind) => expect(classifyError(text, NOW).kind).toBe(kind));

  it.each([
    ['HTTP 503', true],
    ['HTTP 529', true],
    ['request failed (provider internal error, HTTP 503)', true],
    ['request failed (provider overloaded)', true],
    ['HTTP 500', undefined],
    ['HTTP 502: overloaded', undefined],
    ['connect ECONNREFUSED 127.0.0.1:1', undefined],
  ])('reads from %j that the provider is down for everyone: %s', (text, outage) =>
    expect(classifyError(text, NOW).outage).toBe(outage),
  );

  it.each([
    ['HTTP 400: unknown parameter; your message was: my quota exceeded the daily limit', 'invalid'],
    ['HTTP 404: no model "rate limit"', 'invalid'],
    ['Unknown model: quota-exceeded/credits', 'invalid'],
    ['HTTP 500: insufficient credits were mentioned', 'provider'],
    ['the agent broke off while it worked on "tell me why HTTP billing error and rate limit happen"', 'unknown'],
    ['the agent broke off at `too many requests`', 'unknown'],
    ['Command failed: curl said rate limit', 'unknown'],
    [`the session file is broken: ${'x'.repeat(600)} rate limit`, 'unknown'],
    ['the child ended with exit code 137', 'unknown'],
  ])('classifies %j as %s, whatever words of the user are in it', (text, kind) =>
    expect(classifyError(text, NOW).kind).toBe(kind),
  );

  it.each([
    ['rate limited, HTTP 429, Retry-After: 30', 30_000],
    ['HTTP 429: please try again in 1.5 minutes', 90_000],
    ['HTTP 429 retry after 250ms', 250],
    ['HTTP 429 retry-after=99999', HOUR],
    ['HTTP 429', undefined],
    ['HTTP 402', 5 * MINUTE],
    ['HTTP 403: daily limit reached, resets at 2026-11-28T00:00:00Z', 11 * HOUR + 59 * MINUTE + 30_000],
    ['HTTP 402: out of credits, resets in 9 days', 24 * HOUR],
    ['HTTP 402: out of credits, resets at 2026-11-27T11:00:00Z', 5 * MINUTE],
  ])('reads from %j a wait of %s ms', (text, ms) => expect(classifyError(text, NOW).retryAfterMs).toBe(ms));

  it('marks errors as retryable by their kind', () => {
    expect(classifyError('HTTP 401', NOW).retryable).toBe(false);
    expect(classifyError('HTTP 503', NOW).retryable).toBe(true);
  });

  it('never throws, never returns an invalid wait, and cuts a text before it examines it', () => {
    const words = fc.array(
      fc.constantFrom(
        'resets at ',
        'try again in ',
        '9',
        '99:99',
        '2026-99-99T99:99',
        'Nov 99 ',
        'midnight',
        'HTTP ',
        '1e9',
        ' d',
        '"',
        '(',
        ' ',
      ),
    );
    const texts = fc.oneof(
      fc.string(),
      words.map((parts) => parts.join('')),
    );
    fc.assert(
      fc.property(texts, (text) => {
        const { retryAfterMs } = classifyError(text, NOW);
        expect(retryAfterMs === undefined || (retryAfterMs >= 0 && retryAfterMs <= 24 * HOUR)).toBe(true);
      }),
    );
    for (const piece of [
      '"',
      '`',
      'a.',
      'resets at ',
      'insufficient x ',
      '(',
      ' ',
      '9',
      'HTTP ',
      'sign in to ',
      'auth profile ',
    ]) {
      expect(classifyError(piece.repeat(1_048_576 / piece.length), NOW).message.length).toBeLessThanOrEqual(2_000);
    }
  });
});
