import type { OpenClawState } from '../domain/node.ts';
import type { NodeContext } from './context.ts';
import type { GatewayRestarter } from './gateway-restarter.ts';
import { InFlight } from './in-flight.ts';
import { Periodic } from './periodic.ts';
import type { Service } from './service.ts';

/** Checks the OpenClaw behind the node's runner, and reports changes. */
export class OpenClawWatch implements Service {
  readonly name = 'openclaw-watch';
  readonly #context: NodeContext;
  readonly #restarter: Pick<GatewayRestarter, 'checked'> | undefined;
  readonly #loop: Periodic;
  readonly #inFlight = new InFlight();
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
    this.#loop = new Periodic({ name: this.name, clock, intervalMs, work: () => this.look(), onError });
    events.on('configChanged', () => this.look());
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
    if (this.#started || this.#inFlight.isOver) return;
    this.#started = true;
    await this.look();
    this.#loop.start();
  }

  async stop(): Promise<void> {
    await Promise.all([this.#loop.stop(), this.#inFlight.end()]);
  }

  /** Checks at once. */
  async look(): Promise<void> {
    if (this.#started) await this.#inFlight.run(() => this.#look());
  }

  async #look(): Promise<void> {
    const { runner, masks, log, events } = this.#context;
    const { version, healthy, reason: said } = await runner.health();
    if (this.#inFlight.isOver) return;
    // The reason goes into the log and, through a gate, to every reader of the mesh's state.
    const reason = said === null ? null : masks.said(said);
    const restarter = this.#restarter;
    if (restarter) void this.#inFlight.run(() => restarter.checked(reason));
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
