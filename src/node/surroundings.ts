import { totalmem } from 'node:os';
import type { LiveConfig } from '../config/live.ts';
import type { GateFacts } from '../gates/gate.ts';
import { batteryInUse } from '../platform/battery.ts';
import { speedLimit } from '../platform/heat.ts';
import { freeDisk, freeMemory } from '../platform/room.ts';
import type { NodeRegistry } from '../registry/node-registry.ts';
import { Periodic } from './periodic.ts';
import { pressureOf } from './pressure.ts';

/** None of this changes within seconds, and looking at it costs a small process, ms. */
const INTERVAL_MS = 10_000;
/** The mesh is looked at only so often, ms: whoever changes something by hand says so. */
const MESH_MS = 30_000;
/** Of more nodes than this only so many are asked for their config: enough to know what most of them have. */
const DIGESTS = 40;

interface Facts
  extends Pick<GateFacts, 'freeDisk' | 'freeMemory' | 'battery' | 'otherDigest' | 'redisPolicy' | 'pausedPools'> {
  /** Share of its speed that heat leaves the machine, 0 to 1. */
  readonly speed: number | undefined;
}

export interface SurroundingsOptions {
  readonly nodeId: string;
  readonly live: LiveConfig;
  /** Those that the node serves. */
  readonly pools: readonly string[];
  readonly registry: NodeRegistry;
  /** One-minute load average per core. */
  readonly cpu: () => number;
  /** A folder on the disk that tasks write to. */
  readonly folder: string;
  readonly onLook: () => void;
  readonly onError: (error: unknown) => void;
}

/** Looks at what surrounds the node now and then: its machine, the other nodes' configs, Redis' policy. */
export class Surroundings {
  readonly #options: SurroundingsOptions;
  readonly #loop: Periodic;
  #pressure = 1;
  #lookedAtMesh = Number.NEGATIVE_INFINITY;
  #facts: Facts = {
    freeDisk: undefined,
    freeMemory: undefined,
    battery: undefined,
    otherDigest: undefined,
    redisPolicy: undefined,
    pausedPools: [],
    speed: undefined,
  };

  constructor(options: SurroundingsOptions) {
    this.#options = options;
    this.#loop = new Periodic({ intervalMs: INTERVAL_MS, work: () => this.#look(), onError: options.onError });
  }

  get facts(): Facts {
    return this.#facts;
  }

  /** See `pressureOf`. */
  get pressure(): number {
    return this.#pressure;
  }

  start(): void {
    this.look();
    this.#loop.start();
  }

  stop(): void {
    void this.#loop.stop();
  }

  /** Looks at once: something has been changed by hand. */
  look(): void {
    this.#lookedAtMesh = Number.NEGATIVE_INFINITY;
    void this.#look().catch(this.#options.onError);
  }

  async #look(): Promise<void> {
    const { folder } = this.#options;
    const [disk, memory, battery, speed, mesh] = await Promise.all([
      freeDisk(folder).catch(() => undefined),
      freeMemory(),
      batteryInUse().catch(() => undefined),
      speedLimit().catch(() => undefined),
      this.#lookAtMesh(),
    ]);
    this.#facts = { ...this.#facts, freeDisk: disk, freeMemory: memory, battery, speed, ...mesh };
    this.#pressure = pressureOf({ cpu: this.#options.cpu(), freeMemory: memory / totalmem(), battery, speed });
    this.#options.onLook();
  }

  async #lookAtMesh(): Promise<Pick<Facts, 'redisPolicy' | 'pausedPools' | 'otherDigest'> | undefined> {
    const now = performance.now();
    // A little early counts, since the interval jitters.
    if (now - this.#lookedAtMesh < MESH_MS - INTERVAL_MS / 2) return undefined;
    const { registry, pools } = this.#options;
    const { redisPolicy, pausedPools, digests } = await registry.lookAround(pools, DIGESTS);
    this.#lookedAtMesh = now;
    return { redisPolicy, pausedPools, otherDigest: this.#otherDigest(digests) };
  }

  /** The config digest that more of the other nodes have than have this node's. */
  #otherDigest(digests: ReadonlyMap<string, string>): string | undefined {
    const { nodeId, live } = this.#options;
    const others = [...digests].filter(([id]) => id !== nodeId);
    const byDigest = Map.groupBy(others, ([, digest]) => digest);
    const agreeing = 1 + (byDigest.get(live.digest)?.length ?? 0);
    const [most] = [...byDigest].sort(([, a], [, b]) => b.length - a.length);
    return most && most[0] !== live.digest && most[1].length > agreeing ? most[0] : undefined;
  }
}
