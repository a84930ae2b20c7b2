import { totalmem } from 'node:os';
import type { NodeFacts } from '../gates/gate.ts';
import { batteryInUse } from '../platform/battery.ts';
import { freeMemory } from '../platform/disk-and-memory.ts';
import { speedLimit } from '../platform/thermal.ts';
import type { NodeContext } from './context.ts';
import { InFlight } from './in-flight.ts';
import type { LoadMeter } from './load.ts';
import { Periodic } from './periodic.ts';
import { pressureOf } from './pressure.ts';
import type { Service } from './service.ts';

/** None of this changes within seconds, and looking at it costs a small process, ms. */
const INTERVAL_MS = 10_000;
/** The mesh is sampled only this often, ms: a change by hand sends a message. */
const MESH_MS = 30_000;
/** Maximum number of other nodes asked for their config: enough to know what most of them have. */
const DIGESTS = 40;

export interface NodeSample
  extends Pick<NodeFacts, 'freeMemory' | 'battery' | 'otherDigest' | 'redisPolicy' | 'pausedPools'> {
  /** Share of its speed that heat leaves the machine, 0 to 1. */
  readonly speed: number | undefined;
}

/** What the machine says of itself. */
export interface MachineProbes {
  /** Bytes. */
  readonly freeMemory: () => Promise<number>;
  readonly battery: () => Promise<number | null | undefined>;
  readonly speed: () => Promise<number | undefined>;
}

const MACHINE: MachineProbes = { freeMemory, battery: batteryInUse, speed: speedLimit };

/**
 * Samples what surrounds the node: its machine, and of the mesh the other nodes' configs, paused pools and Redis'
 * policy.
 */
export class NodeProbe implements Service {
  readonly name = 'node-probe';
  readonly #context: NodeContext;
  readonly #load: Pick<LoadMeter, 'cpu'>;
  readonly #machine: MachineProbes;
  readonly #loop: Periodic;
  readonly #inFlight = new InFlight();
  #started = false;
  #stopped = false;
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
    this.#loop = new Periodic({ name: this.name, clock, intervalMs: INTERVAL_MS, work: () => this.#look(), onError });
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
    if (this.#started || this.#stopped) return;
    this.#started = true;
    this.#lookAgain().catch(this.#context.onError);
    this.#loop.start();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all([this.#loop.stop(), this.#inFlight.ended()]);
  }

  async #lookAgain(): Promise<void> {
    if (!this.#started || this.#stopped) return;
    this.#meshSampledAt = Number.NEGATIVE_INFINITY;
    await this.#inFlight.add(this.#look());
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
    // A little early counts, since the interval jitters.
    if (now - this.#meshSampledAt < MESH_MS - INTERVAL_MS / 2) return undefined;
    const { redisPolicy, pausedPools, digests } = await backend.registry.sampleMesh(pools, DIGESTS);
    this.#meshSampledAt = now;
    return { redisPolicy, pausedPools, otherDigest: this.#otherDigest(digests) };
  }

  /** The config digest that more of the other nodes have than have this node's. */
  #otherDigest(digests: ReadonlyMap<string, string>): string | undefined {
    const { nodeId, live } = this.#context;
    const others = [...digests].filter(([id]) => id !== nodeId);
    const byDigest = Map.groupBy(others, ([, digest]) => digest);
    const agreeing = 1 + (byDigest.get(live.digest)?.length ?? 0);
    const [most] = [...byDigest].sort(([, a], [, b]) => b.length - a.length);
    return most && most[0] !== live.digest && most[1].length > agreeing ? most[0] : undefined;
  }
}
