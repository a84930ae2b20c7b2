import { describe, expect, it } from 'vitest';
import { runBriefing } from '../../src/domain/run-briefing.ts';

describe('the briefing of an agent', () => {
  const facts = { taskId: '01kbv2m6s3v5w8q0r4t7y9z1x2', nodeId: 'mac-1', attempt: 1, handovers: 0 };

  it('names the task, the node, the attempt and the handovers', () => {
    expect(runBriefing(facts)).toBe(
      'This is a run of the clawmesh task 01kbv2m6s3v5w8q0r4t7y9z1x2 on the node mac-1: attempt 1, handovers 0.',
    );
  });

  it.each([{ attempt: 2 }, { handovers: 1 }])('warns of the effects of an earlier run (%o)', (more) => {
    const text = runBriefing({ ...facts, ...more, previousEnd: 'mac-2 was lost (crash)' });
    expect(text).toContain('ended without an answer: mac-2 was lost (crash).');
    expect(text).toContain('check whether it was already done');
  });

  it('has a bounded length, whatever the reason of the earlier end', () => {
    expect(runBriefing({ ...facts, attempt: 2, previousEnd: '🦞'.repeat(9_000) }).length).toBeLessThan(1_200);
  });

  it('says who gets the answer, without the secret in the URL of a webhook', () => {
    expect(runBriefing({ ...facts, deliver: { channel: 'slack', to: 'C1' } })).toContain('to slack:C1 when');
    const text = runBriefing({ ...facts, deliver: { webhook: 'https://h.example/x?token=secret' } });
    expect(text).toContain('webhook on h.example');
    expect(text).not.toContain('secret');
  });
});
