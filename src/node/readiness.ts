import type { GateState, NodeRecord } from '../domain/node.ts';
import { GATES } from '../gates/all.ts';
import { checkGates, type GateFacts } from '../gates/gate.ts';
import { LongTimer } from '../platform/long-timer.ts';

/** Whether a node may claim: its gates, and whether it stops or somebody has drained it. */
export class Readiness {
  readonly #facts: () => Omit<GateFacts, 'draining'>;
  #stopping = false;
  /** Somebody has drained the node; the timer ends the patience with what runs. */
  #drained: LongTimer | undefined;
  #open = false;
  /** Names of the gates that were closed at the last {@link refresh}. */
  #closed: ReadonlySet<string> = new Set();

  constructor(facts: () => Omit<GateFacts, 'draining'>) {
    this.#facts = facts;
  }

  /** Whether every gate was open at the last {@link refresh}. */
  get open(): boolean {
    return this.#open;
  }

  /** Whether a {@link refresh} would change that. */
  get stale(): boolean {
    return this.#open !== this.gates().every((gate) => gate.open);
  }

  get drained(): boolean {
    return this.#drained !== undefined;
  }

  /** What a heartbeat says. */
  get state(): NodeRecord['state'] {
    if (this.#stopping || this.drained) return 'draining';
    return this.gates().some((gate) => !gate.open) ? 'gated' : 'up';
  }

  gates(): GateState[] {
    const why = this.#stopping ? 'stopping' : this.drained ? 'by hand' : undefined;
    return checkGates(GATES, { ...this.#facts(), draining: why });
  }

  /** To be called whenever something that gates look at has changed; answers those that have closed or opened. */
  refresh(): GateState[] {
    const gates = this.gates();
    const changed = gates.filter((gate) => gate.open === this.#closed.has(gate.name));
    this.#closed = new Set(gates.flatMap((gate) => (gate.open ? [] : [gate.name])));
    this.#open = this.#closed.size === 0;
    return changed;
  }

  /** The node stops: it claims nothing from here on. */
  stop(): void {
    this.#stopping = true;
    this.#open = false;
    this.#drained?.stop();
  }

  /** Somebody drains the node; `onTimeout` is called once what runs has had its time (ms). */
  drain(timeoutMs: number, onTimeout: () => void): void {
    this.#drained?.stop();
    this.#drained = new LongTimer(onTimeout, timeoutMs);
  }

  resume(): void {
    this.#drained?.stop();
    this.#drained = undefined;
  }
}
