import { expect, it } from 'vitest';
import type { ErrorKind } from '../../src/domain/error-kind.ts';
import { taskError } from '../../src/domain/task.ts';
import { FailureStreak } from '../../src/node/failure-streak.ts';
import { capabilitiesOf, testContext } from '../support/node-context.ts';
import { success } from '../support/pool.ts';
import { aClaim } from '../support/run-context.ts';

const watching = (hasProvider = true) => {
  const context = testContext({ runner: { capabilities: capabilitiesOf({ hasProvider }) } });
  const { backoff } = new FailureStreak(context);
  const failed = (taskId: string, kind: ErrorKind) =>
    context.events.emit('runEnded', {
      claim: aClaim(taskId),
      outcome: { ok: false, error: taskError(kind, 'what\nnow') },
    });
  const succeeded = (taskId: string) => context.events.emit('runEnded', { claim: aClaim(taskId), outcome: success });
  return { clock: context.clock, emitted: context.emitted, backoff, failed, succeeded };
};

it.each(['unknown', 'crash'] as const)('closes the gate after %s failures of five different tasks in a row', (kind) => {
  const { backoff, failed, emitted } = watching();
  for (const id of ['1', '2', '3', '4', '4', '3', '2']) failed(id, kind);
  expect(backoff.reason).toBeUndefined();
  failed('5', kind);
  expect(backoff.reason).toMatch(/different tasks in a row .*: what now\. The node tries one task every 30s/);
  expect(emitted).toContain('factsChanged');
});

it('closes no gate if a task succeeds in between, or the provider or the task was to blame', () => {
  const { backoff, failed, succeeded } = watching();
  for (let i = 0; i < 20; i++) {
    const kinds = ['provider', 'rate_limit', 'invalid', 'auth', 'timeout', 'cancelled'] as const;
    failed(`a${i}`, kinds[i % kinds.length] as ErrorKind);
    failed(`b${i}`, 'unknown');
    if (i % 4 === 3) succeeded(`c${i}`);
  }
  expect(backoff.reason).toBeUndefined();
});

it('closes the gate again at once if the probe task fails, and opens it if the probe task succeeds', async () => {
  const { clock, backoff, failed, succeeded } = watching();
  for (let i = 0; i < 5; i++) failed(`t${i}`, 'unknown');
  await clock.advance(30_000);
  backoff.began('t5');
  failed('t5', 'unknown');
  expect(backoff.reason).toMatch(/every 1m/);
  await clock.advance(60_000);
  backoff.began('t6');
  succeeded('t6');
  for (let i = 0; i < 4; i++) failed(`t${i}`, 'unknown');
  expect([backoff.reason, backoff.isTrying]).toEqual([undefined, false]);
});

it('ignores failures of simulated runs, which fail on request', () => {
  const { backoff, failed } = watching(false);
  for (let i = 0; i < 9; i++) failed(`t${i}`, 'unknown');
  expect(backoff.reason).toBeUndefined();
});
