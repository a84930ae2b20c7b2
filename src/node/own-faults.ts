import type { Claim } from '../domain/claim.ts';
import type { Outcome } from '../domain/task.ts';
import type { NodeRegistry } from '../registry/node-registry.ts';
import type { Runner } from '../runners/runner.ts';
import { FailureStreak } from './failure-streak.ts';
import type { GateBackoff } from './gate-backoff.ts';
import { LoginWatch } from './login-watch.ts';

/** What a node's own runs say against this Mac: its login is refused, or one task after the other fails. */
export class OwnFaults {
  readonly #login: LoginWatch;
  readonly #failures: FailureStreak;
  readonly #simulated: boolean;

  constructor(options: { registry: NodeRegistry; nodeId: string; runner: Runner; onChange: () => void }) {
    const { runner, onChange } = options;
    this.#simulated = runner.mode === 'simulate';
    this.#login = new LoginWatch({
      ...options,
      simulated: this.#simulated,
      check: runner.loginTrouble?.bind(runner),
    });
    this.#failures = new FailureStreak(onChange);
  }

  /** Gates that open by trying one task at a time. */
  get backoffs(): readonly GateBackoff[] {
    return [this.#login.backoff, this.#failures.backoff];
  }

  /** As gates look at it. */
  get facts(): { readonly loginTrouble: string | undefined; readonly failureTrouble: string | undefined } {
    return { loginTrouble: this.#login.backoff.reason, failureTrouble: this.#failures.backoff.reason };
  }

  /** See `AttemptRunOptions.onLoginRefused`. */
  loginRefused(claim: Claim, message: string): Promise<boolean> {
    return this.#login.refused(claim, message);
  }

  /** A run has ended; a simulated one fails because it was told to. */
  ended(claim: Claim, outcome: Outcome): void {
    if (!this.#simulated) this.#failures.ended(claim, outcome);
    this.#login.ended(claim, outcome);
  }

  stop(): void {
    for (const backoff of this.backoffs) backoff.stop();
  }
}
