import type { GateFacts } from '../gates/gate.ts';
import { batteryInUse } from '../platform/battery.ts';
import { freeDisk, freeMemory } from '../platform/room.ts';
import type { NodeRegistry } from '../registry/node-registry.ts';
import { Periodic } from './periodic.ts';

/** None of this changes within seconds, and looking at it costs two round trips and a small process, ms. */
const INTERVAL_MS = 10_000;

type Facts = Pick<GateFacts, 'freeDisk' | 'freeMemory' | 'battery' | 'otherDigest' | 'redisPolicy'>;

export interface SurroundingsOptions {
  readonly nodeId: string;
  readonly configDigest: string;
  readonly registry: NodeRegistry;
  /** A folder on the disk that tasks write to. */
  readonly folder: string;
  readonly onLook: () => void;
  readonly onError: (error: unknown) => void;
}

/** Looks at what surrounds the node now and then: its machine, the other nodes' configs, Redis' policy. */
export class Surroundings {
  readonly #options: SurroundingsOptions;
  readonly #loop: Periodic;
  #facts: Facts = {
    freeDisk: undefined,
    freeMemory: undefined,
    battery: undefined,
    otherDigest: undefined,
    redisPolicy: undefined,
  };

  constructor(options: SurroundingsOptions) {
    this.#options = options;
    this.#loop = new Periodic({ intervalMs: INTERVAL_MS, work: () => this.#look(), onError: options.onError });
  }

  get facts(): Facts {
    return this.#facts;
  }

  start(): void {
    void this.#look().catch(this.#options.onError);
    this.#loop.start();
  }

  stop(): void {
    void this.#loop.stop();
  }

  async #look(): Promise<void> {
    const { registry, folder } = this.#options;
    const [disk, battery, redisPolicy, otherDigest] = await Promise.all([
      freeDisk(folder).catch(() => undefined),
      batteryInUse().catch(() => undefined),
      registry.evictionPolicy(),
      this.#otherDigest(),
    ]);
    this.#facts = { freeDisk: disk, freeMemory: freeMemory(), battery, redisPolicy, otherDigest };
    this.#options.onLook();
  }

  /** The config digest that more of the other nodes have than have this node's. */
  async #otherDigest(): Promise<string | undefined> {
    const { nodeId, configDigest, registry } = this.#options;
    const others = (await registry.list()).filter(
      (node) => node.id !== nodeId && node.state !== 'dead' && node.state !== 'stopped',
    );
    const byDigest = Map.groupBy(others, (node) => node.configDigest);
    const agreeing = 1 + (byDigest.get(configDigest)?.length ?? 0);
    const [most] = [...byDigest].sort(([, a], [, b]) => b.length - a.length);
    return most && most[0] !== configDigest && most[1].length > agreeing ? most[0] : undefined;
  }
}
