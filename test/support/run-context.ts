import type { Claim } from '../../src/domain/claim.ts';
import type { RunContext } from '../../src/node/attempt-run.ts';
import type { Runner } from '../../src/runners/runner.ts';
import { SimulateRunner } from '../../src/runners/simulate.ts';
import { type TestContext, testContext } from './node-context.ts';
import { VirtualClock } from './virtual-clock.ts';

/** A claim of incarnation 1 of mac-1, in its first attempt. */
export function aClaim(taskId: string, more: Partial<Claim> = {}): Claim {
  return {
    taskId,
    pool: 'default',
    token: 'mac-1~1:1',
    spec: { message: 'hello', tags: {} },
    attempt: 1,
    maxAttempts: 3,
    handovers: 0,
    holds: 0,
    refusedOn: null,
    readyAt: 0,
    claimedAt: 0,
    ...more,
  };
}

export type TestRunContext = RunContext & Pick<TestContext, 'clock' | 'logged' | 'emitted'>;

/**
 * What runs share, on a virtual clock. Runs are simulated, and the journal forgets everything, unless the test gives
 * others.
 */
export function testRunContext(
  parts: Partial<Pick<RunContext, 'runner' | 'journal' | 'observer'>> = {},
): TestRunContext {
  const clock = new VirtualClock();
  const journal = { keep: async () => true, remove: () => {}, discard: () => {} };
  const runner: Runner = new SimulateRunner({ clock });
  const context = testContext({ clock, journal });
  return { ...context, runner, ...parts, auth: { refused: async () => false } };
}
