import { totalmem } from 'node:os';
import type { NodeFacts } from '../gates/gate.ts';
import { batteryInUse } from '../platform/battery.ts';
import { freeMemory } from '../platform/disk-and-memory.ts';
import { speedLimit } from '../platform/thermal.ts';
import type { NodeContext } from './context.ts';
import type { LoadMeter } from './load.ts';
import { OnDemand } from './on-demand.ts';
import { Periodic } from './periodic.ts';
import { pressureOf } from './pressure.ts';
import type { Service } from './service.ts';

/** None of these facts changes within seconds, and sampling them costs a small process, ms. */
const INTERVAL_MS = 10_000;
/** Interval between samples of the mesh, ms; an operator's change sends a message. */
const MESH_MS = 30_000;
/** Maximum number of nodes whose config digest is read: enough to know the most common one. */
const DIGESTS = 40;

export interface NodeSample
  extends Pick<NodeFacts, 'freeMemory' | 'battery' | 'otherDigest' | 'redisPolicy' | 'pausedPools'> {
  /** Share of full speed that heat leaves the machine, 0 to 1. */
  readonly speed: number | undefined;
}

/** Reads the state of the machine. */
export interface MachineProbes {
  /** Bytes. */
  readonly freeMemory: () => Promise<number>;
  readonly battery: () => Promise<number | null | undefined>;
  readonly speed: () => Promise<number | undefined>;
}

const MACHINE: MachineProbes = { freeMemory, battery: batteryInUse, speed: speedLimit };

/**
 * Samples the node's surroundings: its machine, the configs of other nodes, paused pools and Redis' eviction policy.
 */
export class NodeProbe implements Service {
  readonly name = 'node-probe';
  readonly #context: NodeContext;
  readonly #load: Pick<LoadMeter, 'cpu'>;
  readonly #machine: MachineProbes;
  /** One look at a time, so that an earlier one never overwrites the results of a later one. */
  readonly #looks: OnDemand;
  readonly #loop: Periodic;
  #started = false;
  #pressure = 1;
  #meshSampledAt = Number.NEGATIVE_INFINITY;
  #sample: NodeSample = {
    freeMemory: undefined,
    battery: undefined,
    otherDigest: undefined,
    redisPolicy: undefined,
    pausedPools: [],
    speed: undefined,
  };

  constructor(context: NodeContext, load: Pick<LoadMeter, 'cpu'>, machine: MachineProbes = MACHINE) {
    this.#context = context;
    this.#load = load;
    this.#machine = machine;
    const { clock, events, onError } = context;
    const { name } = this;
    this.#looks = new OnDemand({ name, clock, work: () => this.#look(), onError });
    this.#loop = new Periodic({ name, clock, intervalMs: INTERVAL_MS, work: () => this.#looks.round(), onError });
    events.on('configChanged', () => this.#lookAgain());
  }

  get sample(): NodeSample {
    return this.#sample;
  }

  /** See `pressureOf`. */
  get pressure(): number {
    return this.#pressure;
  }

  start(): void {
    if (this.#started) return;
    this.#started = true;
    this.#looks.start();
    this.#looks.ask();
    this.#loop.start();
  }

  async stop(): Promise<void> {
    await Promise.all([this.#loop.stop(), this.#looks.stop()]);
  }

  #lookAgain(): void {
    this.#meshSampledAt = Number.NEGATIVE_INFINITY;
    this.#looks.ask();
  }

  async #look(): Promise<void> {
    const [memory, battery, speed, mesh] = await Promise.all([
      this.#machine.freeMemory().catch(() => undefined),
      this.#machine.battery().catch(() => undefined),
      this.#machine.speed().catch(() => undefined),
      this.#sampleMesh(),
    ]);
    this.#sample = { ...this.#sample, freeMemory: memory, battery, speed, ...mesh };
    this.#pressure = pressureOf({ cpu: this.#load.cpu, freeMemory: memory && memory / totalmem(), battery, speed });
    this.#context.events.emit('factsChanged');
  }

  async #sampleMesh(): Promise<Pick<NodeSample, 'redisPolicy' | 'pausedPools' | 'otherDigest'> | undefined> {
    const { backend, clock, pools } = this.#context;
    const now = clock.monotonic();
    // Slightly early counts, since the interval has jitter.
    if (now - this.#meshSampledAt < MESH_MS - INTERVAL_MS / 2) return undefined;
    // Set before the request: after a change during it, the next look samples again.
    this.#meshSampledAt = now;
    try {
      const { redisPolicy, pausedPools, digests } = await backend.registry.sampleMesh(pools, DIGESTS);
      return { redisPolicy, pausedPools, otherDigest: this.#otherDigest(digests) };
    } catch (error) {
      this.#meshSampledAt = Number.NEGATIVE_INFINITY;
      throw error;
    }
  }

  /** The most common digest among other nodes, if more nodes have it than have this node's. */
  #otherDigest(digests: ReadonlyMap<string, string>): string | undefined {
    const { nodeId, live } = this.#context;
    const others = [...digests].filter(([id]) => id !== nodeId);
    const byDigest = Map.groupBy(others, ([, digest]) => digest);
    const agreeing = 1 + (byDigest.get(live.digest)?.length ?? 0);
    const [most] = [...byDigest].sort(([, a], [, b]) => b.length - a.length);
    return most && most[0] !== live.digest && most[1].length > agreeing ? most[0] : undefined;
  }
}
