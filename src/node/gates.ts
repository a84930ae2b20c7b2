import type { GateState, NodeRecord } from '../domain/node.ts';
import { GATES } from '../gates/all.ts';
import type { Gate, NodeFacts, WatchedGate } from '../gates/gate.ts';
import type { AuthBackoff } from './auth-backoff.ts';
import type { NodeContext } from './context.ts';
import type { Drain } from './drain.ts';
import type { FailureStreak } from './failure-streak.ts';
import { InFlight } from './in-flight.ts';
import type { NodePause } from './node-pause.ts';
import type { NodeProbe } from './node-probe.ts';
import type { OpenClawWatch } from './openclaw-watch.ts';
import { Periodic } from './periodic.ts';
import type { Service } from './service.ts';

export interface FactSources {
  readonly openclaw: Pick<OpenClawWatch, 'state' | 'trouble'>;
  readonly auth: Pick<AuthBackoff, 'backoff'>;
  readonly failures: Pick<FailureStreak, 'backoff'>;
  readonly probe: Pick<NodeProbe, 'sample'>;
  readonly drain: Pick<Drain, 'why'>;
  readonly pause: Pick<NodePause, 'why'>;
}

/**
 * Decides whether the node may claim. Checks all gates whenever facts change, records in the log and the mesh which
 * have opened or closed, and then notifies the other services (`gatesChanged`).
 */
export class Gates implements Service {
  readonly name = 'gates';
  readonly #context: NodeContext;
  readonly #sources: FactSources;
  readonly #watched: readonly WatchedGate[];
  readonly #probes: readonly Periodic[];
  readonly #inFlight = new InFlight();
  #started = false;
  #open = false;
  /** Serialized facts of the last `gatesChanged`. */
  #announced = '';
  /** Names of the gates that were closed at the last check. */
  #closed: ReadonlySet<string> = new Set();

  constructor(context: NodeContext, sources: FactSources, gates: readonly Gate[] = GATES) {
    this.#context = context;
    this.#sources = sources;
    this.#watched = gates.map((gate) => gate.watch());
    const { clock, events, onError } = context;
    this.#probes = this.#watched.flatMap((watched) => {
      const { name, every } = watched.gate;
      return every === undefined
        ? []
        : [new Periodic({ name, clock, intervalMs: every, work: () => this.#probe(watched), onError })];
    });
    events.on('factsChanged', () => this.#inFlight.run(() => this.#check()));
    events.on('configChanged', () => this.#inFlight.run(() => this.#probeAll()));
  }

  /** Whether all gates were open at the last check, and the node neither drains nor stops, and is not paused. */
  get open(): boolean {
    const { drain, pause } = this.#sources;
    return this.#open && drain.why === undefined && pause.why === undefined;
  }

  /** The node's state and that of its gates, as heartbeats report them. */
  report(): { readonly state: Exclude<NodeRecord['state'], 'stopped'>; readonly gates: GateState[] } {
    const gates = this.states();
    const { drain, pause } = this.#sources;
    if (drain.why !== undefined) return { state: 'draining', gates };
    if (pause.why !== undefined) return { state: 'paused', gates };
    return { state: gates.some((gate) => !gate.open) ? 'gated' : 'up', gates };
  }

  states(): GateState[] {
    const facts = this.#facts();
    return this.#watched.map((watched) => watched.state(facts));
  }

  async start(): Promise<void> {
    if (this.#started || this.#inFlight.isOver) return;
    this.#started = true;
    await this.#inFlight.run(() => this.#probeAll());
    for (const probe of this.#probes) probe.start();
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#probes.map((probe) => probe.stop()), this.#inFlight.end()]);
  }

  async #probeAll(): Promise<void> {
    if (!this.#started || this.#inFlight.isOver) return;
    await Promise.all(this.#watched.map((watched) => watched.probe(this.#facts()).catch(() => {})));
    await this.#check();
  }

  async #probe(watched: WatchedGate): Promise<void> {
    await watched.probe(this.#facts()).catch(() => {});
    this.#context.events.emit('factsChanged');
  }

  async #check(): Promise<void> {
    if (!this.#started || this.#inFlight.isOver) return;
    const { events, log, owner, backend } = this.#context;
    const states = this.states();
    const changed = states.filter((gate) => gate.open === this.#closed.has(gate.name));
    this.#closed = new Set(states.flatMap((gate) => (gate.open ? [] : [gate.name])));
    this.#open = this.#closed.size === 0;
    for (const { name, open, reason } of changed) {
      if (open) log.info({ gate: name }, 'gate open');
      else log.warn({ gate: name, reason }, 'gate closed');
    }
    if (this.#isNews(states)) events.emit('gatesChanged');
    await backend.registry.noteGates(owner, changed);
  }

  /** Whether claim loops or the mesh need to know: an unchanged result of a probe does not matter. */
  #isNews(states: readonly GateState[]): boolean {
    const { openclaw, auth, failures } = this.#sources;
    const trying = [auth.backoff.isTrying, failures.backoff.isTrying];
    const announced = JSON.stringify([states, openclaw.state, trying, this.#context.live.digest]);
    if (announced === this.#announced) return false;
    this.#announced = announced;
    return true;
  }

  #facts(): NodeFacts {
    const { live, journal, redisClock, runner } = this.#context;
    const { openclaw, auth, failures, probe, drain, pause } = this.#sources;
    const { freeMemory, battery, otherDigest, pausedPools, redisPolicy } = probe.sample;
    return {
      config: live.config,
      openclaw: openclaw.state,
      openclawTrouble: openclaw.trouble,
      openclawRemedy: runner.capabilities.remedy,
      authTrouble: auth.backoff.reason,
      failureTrouble: failures.backoff.reason,
      journal,
      draining: drain.why,
      pause: pause.why,
      clockSkewMs: -redisClock.offset,
      freeMemory,
      battery,
      otherDigest,
      pausedPools,
      redisPolicy,
    };
  }
}
