import { totalmem } from 'node:os';
import type { LiveConfig } from '../config/live.ts';
import type { GateFacts } from '../gates/gate.ts';
import { batteryInUse } from '../platform/battery.ts';
import { speedLimit } from '../platform/heat.ts';
import { freeDisk, freeMemory } from '../platform/room.ts';
import type { NodeRegistry } from '../registry/node-registry.ts';
import { Periodic } from './periodic.ts';
import { pressureOf } from './pressure.ts';

/** None of this changes within seconds, and looking at it costs two round trips and a small process, ms. */
const INTERVAL_MS = 10_000;
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
  /** Those of the node's pools that are paused. */
  readonly pausedPools: () => Promise<string[]>;
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
    void this.#look().catch(this.#options.onError);
  }

  async #look(): Promise<void> {
    const { registry, folder } = this.#options;
    const [disk, memory, battery, speed, redisPolicy, otherDigest, pausedPools] = await Promise.all([
      freeDisk(folder).catch(() => undefined),
      freeMemory(),
      batteryInUse().catch(() => undefined),
      speedLimit().catch(() => undefined),
      registry.evictionPolicy(),
      this.#otherDigest(),
      this.#options.pausedPools(),
    ]);
    this.#facts = { freeDisk: disk, freeMemory: memory, battery, speed, redisPolicy, otherDigest, pausedPools };
    this.#pressure = pressureOf({ cpu: this.#options.cpu(), freeMemory: memory / totalmem(), battery, speed });
    this.#options.onLook();
  }

  /** The config digest that more of the other nodes have than have this node's. */
  async #otherDigest(): Promise<string | undefined> {
    const { nodeId, live, registry } = this.#options;
    const others = [...(await registry.someDigests(DIGESTS))].filter(([id]) => id !== nodeId);
    const byDigest = Map.groupBy(others, ([, digest]) => digest);
    const agreeing = 1 + (byDigest.get(live.digest)?.length ?? 0);
    const [most] = [...byDigest].sort(([, a], [, b]) => b.length - a.length);
    return most && most[0] !== live.digest && most[1].length > agreeing ? most[0] : undefined;
  }
}
