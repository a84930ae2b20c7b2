import { describe, expect, it } from 'vitest';
import { answerText, MAX_ANSWER_LENGTH } from '../../src/domain/answer-text.ts';

describe('the text of an answer', () => {
  const taskId = '01kbv2m6s3v5w8q0r4t7y9z1x2';

  it('is what the agent said', () => {
    expect(answerText({ taskId, result: { text: ' 4\n' }, error: null })).toBe('4');
  });

  it('says that the agent said nothing', () => {
    expect(answerText({ taskId, result: { text: ' \n' }, error: null })).toBe(
      `Task ${taskId} completed without an answer.`,
    );
  });

  it('says why a task failed, or was cancelled', () => {
    const error = { kind: 'timeout', message: 'no sign of life for 10m' } as const;
    expect(answerText({ taskId, result: null, error })).toBe(`Task ${taskId} failed: no sign of life for 10m`);
    expect(answerText({ taskId, result: null, error: { kind: 'cancelled', message: 'by ann' } })).toBe(
      `Task ${taskId} was cancelled: by ann`,
    );
  });

  it('is cut to a bounded length, between characters, and says how to get the rest', () => {
    const text = answerText({ taskId, result: { text: '🦞'.repeat(MAX_ANSWER_LENGTH) }, error: null });
    expect(text.length).toBeLessThanOrEqual(MAX_ANSWER_LENGTH);
    expect(text.isWellFormed()).toBe(true);
    expect(text).toContain(`clawmesh task show ${taskId}`);
  });
});
