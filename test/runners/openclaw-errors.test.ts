import { expect, it } from 'vitest';
import { classifyError } from '../../src/runners/classify.ts';
import { ACCOUNT_TEXTS, ERROR_TEXTS, VERDICTS } from '../../src/runners/openclaw-errors.ts';

const NOW = Date.parse('2026-11-27T12:00:30Z');
const MINUTE = 60_000;

it.each(ERROR_TEXTS.map((row) => [row.example, row] as const))(
  'classifies %j by its own row of the table',
  (text, row) => {
    expect(ERROR_TEXTS.find(({ matches }) => matches.test(text.replace(/"[^"]*"|`[^`]*`/g, '""')))).toBe(row);
    const error = classifyError(text, NOW);
    expect(error.kind).toBe(row.kind);
    expect(error.outage ?? false).toBe(row.scope === 'outage');
    if (row.scope === 'account') expect(error.retryAfterMs).toBeGreaterThan(0);
  },
);

it.each(Object.entries(VERDICTS))(
  'classifies a request that failed with (%s) by OpenClaw’s own text',
  (verdict, { kind, scope }) => {
    for (const text of [`⚠️ p/m request failed (${verdict}).`, `⚠️ LLM request failed (${verdict}, HTTP 418).`]) {
      const error = classifyError(text, NOW);
      expect(error.kind).toBe(kind);
      expect(error.outage ?? false).toBe(scope === 'outage');
    }
  },
);

it.each([402, 403, 429, 401])('blames quota and billing errors on the account, even with HTTP %i', (status) => {
  for (const { example } of ACCOUNT_TEXTS) {
    for (const text of [
      `HTTP ${status}: ${example}`,
      `${status} ${example}`,
      `request failed, status code: ${status}, ${example}`,
    ]) {
      const error = classifyError(text, NOW);
      expect(error, text).toMatchObject({ kind: 'rate_limit', retryable: true });
      expect(error.retryAfterMs, text).toBeGreaterThanOrEqual(5 * MINUTE);
    }
  }
});

it('has no pattern that keeps state between texts, and none twice', () => {
  for (const { matches } of ERROR_TEXTS) expect(matches.flags, String(matches)).not.toMatch(/[gy]/);
  expect(new Set(ERROR_TEXTS.map(({ matches }) => String(matches))).size).toBe(ERROR_TEXTS.length);
});

it('classifies every text in upper or lower case alike', () => {
  const others = ERROR_TEXTS.filter(({ matches }) => matches.flags.includes('i'));
  for (const { example, kind } of others) expect(classifyError(example.toUpperCase(), NOW).kind, example).toBe(kind);
});
