import { hostname } from 'node:os';
import { leaseMs } from '../config/lease.ts';
import type { NodeRecord } from '../domain/node.ts';
import type { NodeContext } from './context.ts';
import { crashForDrill } from './crash-for-drill.ts';
import type { Deliveries } from './deliveries.ts';
import type { Drain } from './drain.ts';
import type { Gates } from './gates.ts';
import { InFlight } from './in-flight.ts';
import type { LoadMeter } from './load.ts';
import type { NodePause } from './node-pause.ts';
import type { OpenClawWatch } from './openclaw-watch.ts';
import { Periodic } from './periodic.ts';
import type { Renewal } from './renewal.ts';
import type { RunSet } from './run-set.ts';
import type { Service } from './service.ts';
import type { Sweep } from './sweep.ts';

export interface HeartbeatParts {
  readonly gates: Pick<Gates, 'report'>;
  readonly runs: Pick<RunSet, 'runs'>;
  readonly sweep: Pick<Sweep, 'withBeat' | 'found'>;
  readonly renewal: Pick<Renewal, 'renewAll'>;
  readonly drain: Pick<Drain, 'set'>;
  readonly pause: Pick<NodePause, 'set'>;
  readonly openclaw: Pick<OpenClawWatch, 'state'>;
  readonly load: Pick<LoadMeter, 'read'>;
  readonly deliveries: Pick<Deliveries, 'channels'>;
}

/**
 * Renews the node's lease and reports the node's whole state to the mesh. The reply contains the node's desired state,
 * the Redis time, and the results of a sweep.
 */
export class Heartbeat implements Service {
  readonly name = 'heartbeat';
  readonly #context: NodeContext;
  readonly #parts: HeartbeatParts;
  readonly #loop: Periodic;
  readonly #startedAt: number;
  /** Monotonic time (ms) of the last heartbeat that Redis accepted. */
  #lastBeat = Number.NEGATIVE_INFINITY;
  readonly #inFlight = new InFlight();
  #started = false;
  #stopped = false;
  #fenced = false;

  constructor(context: NodeContext, parts: HeartbeatParts) {
    this.#context = context;
    this.#parts = parts;
    const { clock, live, events, onError } = context;
    this.#startedAt = clock.monotonic();
    this.#loop = new Periodic({
      name: this.name,
      clock,
      intervalMs: live.config.health.heartbeatInterval,
      work: () => this.beat(),
      onError,
    });
    events.on('gatesChanged', () => (this.#started ? this.beat() : undefined));
    events.on('fenced', () => {
      this.#fenced = true;
    });
  }

  /** Time since Redis accepted the last heartbeat, ms; infinite before the first. */
  get ageMs(): number {
    return this.#context.clock.monotonic() - this.#lastBeat;
  }

  /** Resolves once Redis has accepted the first heartbeat. */
  async start(): Promise<void> {
    if (this.#started || this.#stopped) return;
    this.#started = true;
    await this.beat();
    this.#loop.start();
  }

  /** The last heartbeat reports that the node has stopped, unless the incarnation is fenced. */
  async stop(): Promise<void> {
    const isLast = this.#started && !this.#stopped && !this.#fenced;
    this.#stopped = true;
    // A heartbeat under way may hang while Redis is away; the last one does not wait for it.
    const stopped = this.#loop.stop();
    try {
      if (isLast) await this.#inFlight.run(() => this.#beat());
    } finally {
      await Promise.all([stopped, this.#inFlight.end()]);
    }
  }

  /** Sends a heartbeat now. @throws ClawmeshError `fenced`. */
  async beat(): Promise<void> {
    if (!this.#stopped) await this.#inFlight.run(() => this.#beat());
  }

  async #beat(): Promise<void> {
    const { backend, owner, clock, redisClock, observer, live, log, onError } = this.#context;
    const { sweep, drain, pause, renewal } = this.#parts;
    const askedAt = clock.monotonic();
    const {
      redisTime,
      desired,
      pause: wanted,
      swept,
    } = await backend.registry.beat(owner, this.#record(), sweep.withBeat);
    this.#lastBeat = clock.monotonic();
    observer.beat(this.#lastBeat - askedAt);
    const jumpMs = redisClock.follow(redisTime);
    sweep.found(swept);
    if (this.#stopped) return;
    if (jumpMs !== 0) {
      log.warn({ jumpMs }, 'the clock of Redis jumped, or this machine slept; renewing all claims');
      renewal.renewAll().catch(onError);
    }
    if (desired === 'drill-crash' || desired === 'drill-freeze') crashForDrill(desired, leaseMs(live.config) * 2, log);
    drain.set(desired === 'drain');
    pause.set(wanted);
  }

  #record(): NodeRecord {
    const { owner, version, clock, settings, live, journal } = this.#context;
    const { runs, openclaw, load, deliveries } = this.#parts;
    const { state, gates } = this.#parts.gates.report();
    const pools = Object.entries(settings.pools).map(([pool, concurrency]) => {
      const running = runs.runs.filter((run) => run.claim.pool === pool).length;
      return [pool, { concurrency, running }] as const;
    });
    return {
      incarnation: owner.incarnation,
      state: this.#stopped ? 'stopped' : state,
      host: hostname(),
      pid: process.pid,
      version,
      uptimeMs: Math.round(clock.monotonic() - this.#startedAt),
      labels: settings.labels,
      allow: settings.allow,
      pools: Object.fromEntries(pools),
      running: runs.runs.map((run) => run.claim.taskId),
      maxTasks: settings.maxTasks,
      openclaw: openclaw.state,
      configDigest: live.digest,
      gates,
      load: load.read(),
      channels: deliveries.channels,
      journal: journal.counts(),
      leaseMs: leaseMs(live.config),
    };
  }
}
