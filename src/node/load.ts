import { availableParallelism, freemem, loadavg, totalmem } from 'node:os';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { NodeLoad } from '../domain/node.ts';
import type { Service } from './service.ts';

const NS_PER_MS = 1e6;
/** A finer resolution would wake an idle Mac more often than the rest of the daemon does, ms. */
const RESOLUTION_MS = 250;

/** Measures how busy this machine and this process are. */
export class LoadMeter implements Service {
  readonly name = 'load';
  readonly #delay: ReturnType<typeof monitorEventLoopDelay>;

  #stopped = false;

  constructor(delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })) {
    this.#delay = delay;
  }

  start(): void {
    if (!this.#stopped) this.#delay.enable();
  }

  /** One-minute load average per core. */
  get cpu(): number {
    return round((loadavg()[0] ?? 0) / availableParallelism());
  }

  /** The current load; the event loop's delay is measured since the last call. */
  read(): NodeLoad {
    // Node measures between two samples, so a sample without any delay is as long as the resolution.
    const delayMs = Math.max(0, this.#delay.percentile(99) / NS_PER_MS - RESOLUTION_MS);
    this.#delay.reset();
    return {
      cpu: this.cpu,
      memory: round(1 - freemem() / totalmem()),
      eventLoopDelayMs: Number.isFinite(delayMs) ? round(delayMs) : 0,
    };
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#delay.disable();
  }
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
