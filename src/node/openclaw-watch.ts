import { messageOf } from '../domain/errors.ts';
import type { OpenClawState } from '../domain/node.ts';
import type { RunnerHealth } from '../runners/runner.ts';
import type { NodeContext } from './context.ts';
import type { GatewayRestarter } from './gateway-restarter.ts';
import { InFlight } from './in-flight.ts';
import { OnDemand } from './on-demand.ts';
import { Periodic } from './periodic.ts';
import type { Service } from './service.ts';

/** Checks the OpenClaw behind the node's runner, and reports changes. */
export class OpenClawWatch implements Service {
  readonly name = 'openclaw-watch';
  readonly #context: NodeContext;
  readonly #restarter: Pick<GatewayRestarter, 'checked'> | undefined;
  /** One check at a time, so that an earlier one never overwrites the result of a later one. */
  readonly #checks: OnDemand;
  readonly #loop: Periodic;
  readonly #restarts = new InFlight();
  #started = false;
  #state: Omit<OpenClawState, 'expected'>;
  #trouble: string | null | undefined;

  /** @param restarter restarts a gateway that stays in trouble, if the config asks for that. */
  constructor(context: NodeContext, restarter?: Pick<GatewayRestarter, 'checked'>) {
    this.#context = context;
    this.#restarter = restarter;
    const { runner, clock, events, onError } = context;
    this.#state = { mode: runner.mode, version: null, healthy: false };
    const intervalMs = runner.capabilities.healthEveryMs;
    const { name } = this;
    this.#checks = new OnDemand({ name, clock, work: () => this.#check(), onError });
    this.#loop = new Periodic({ name, clock, intervalMs, work: () => this.#checks.round(), onError });
    events.on('configChanged', () => this.#checks.ask());
  }

  get state(): OpenClawState {
    return { ...this.#state, expected: this.#context.live.config.openclaw.version ?? null };
  }

  /** Why OpenClaw is not healthy; null if it is, undefined before the first check. */
  get trouble(): string | null | undefined {
    return this.#trouble;
  }

  /** Resolves once OpenClaw's health is known. */
  async start(): Promise<void> {
    if (this.#started) return;
    this.#started = true;
    this.#checks.start();
    await this.#checks.round();
    this.#loop.start();
  }

  async stop(): Promise<void> {
    await Promise.all([this.#loop.stop(), this.#checks.stop(), this.#restarts.end()]);
  }

  async #check(): Promise<void> {
    const { runner, masks, log, events } = this.#context;
    const failed = (error: unknown): RunnerHealth => ({ version: null, healthy: false, reason: messageOf(error) });
    const { version, healthy, reason: said } = await runner.health().catch(failed);
    if (this.#restarts.isOver) return;
    // The reason goes into the log and, through a gate, to every reader of the mesh's state.
    const reason = said === null ? null : masks.said(said);
    const restarter = this.#restarter;
    if (restarter) void this.#restarts.run(() => restarter.checked(reason));
    const changed = version !== this.#state.version || reason !== this.#trouble;
    this.#state = { ...this.#state, version, healthy };
    this.#trouble = reason;
    if (!changed) return;
    const { mode, expected } = this.state;
    const level = healthy && (expected === null || expected === version) ? 'info' : 'warn';
    log[level]({ mode, version, expected, reason }, 'openclaw checked');
    events.emit('factsChanged');
  }
}
