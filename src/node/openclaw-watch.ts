import type { OpenClawState } from '../domain/node.ts';
import type { Logger } from '../log/logger.ts';
import type { Runner } from '../runners/runner.ts';
import type { GatewayMedic } from './gateway-medic.ts';
import { Periodic } from './periodic.ts';

/** Asking a gateway costs nothing, starting `openclaw --version` 0.1 s of CPU: intervals, ms. */
const INTERVAL_MS = { gateway: 2_000, exec: 60_000, simulate: 60_000 } as const;

/** Looks at the OpenClaw behind a node's runner, now and then, and tells when something about it has changed. */
export class OpenClawWatch {
  readonly #runner: Runner;
  readonly #log: Logger;
  readonly #expected: () => string | undefined;
  readonly #onChange: () => void;
  readonly #mask: (text: string) => string;
  readonly #medic: GatewayMedic | undefined;
  readonly #loop: Periodic;
  #state: Omit<OpenClawState, 'expected'>;
  #trouble: string | null | undefined;

  constructor(options: {
    runner: Runner;
    /** The pinned version; read anew at each use. */
    expected: () => string | undefined;
    log: Logger;
    /** Heals a gateway, if that is wanted. */
    medic: GatewayMedic | undefined;
    /** Takes secrets out of what OpenClaw says of itself: it goes into the log and, through a gate, to everybody. */
    mask: (text: string) => string;
    onChange: () => void;
  }) {
    this.#runner = options.runner;
    this.#log = options.log;
    this.#onChange = options.onChange;
    this.#medic = options.medic;
    this.#mask = options.mask;
    this.#state = { mode: options.runner.mode, version: null, healthy: false };
    this.#expected = options.expected;
    this.#loop = new Periodic({
      intervalMs: INTERVAL_MS[options.runner.mode],
      work: () => this.look(),
      onError: () => {},
    });
  }

  get state(): OpenClawState {
    return { ...this.#state, expected: this.#expected() ?? null };
  }

  /** Why OpenClaw isn't healthy; null if it is, undefined before the first look. */
  get trouble(): string | null | undefined {
    return this.#trouble;
  }

  start(): void {
    this.#loop.start();
  }

  stop(): void {
    void this.#loop.stop();
  }

  /** Looks at once. */
  async look(): Promise<void> {
    const said = await this.#runner.health();
    const health = { ...said, reason: said.reason === null ? null : this.#mask(said.reason) };
    void this.#medic?.look(health.reason);
    const changed = health.version !== this.#state.version || health.reason !== this.#trouble;
    this.#state = { ...this.#state, version: health.version, healthy: health.healthy };
    this.#trouble = health.reason;
    if (!changed) return;
    const { mode, version, expected } = this.state;
    const level = health.healthy && (expected === null || expected === version) ? 'info' : 'warn';
    this.#log[level]({ mode, version, expected, reason: health.reason }, 'openclaw checked');
    this.#onChange();
  }
}
