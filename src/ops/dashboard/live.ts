import type { Mesh } from '../../client/mesh.ts';
import type { Clock, Timer } from '../../domain/clock.ts';
import type { Node } from '../../domain/node.ts';
import { type Snapshot, type SnapshotSource, takeSnapshot } from '../snapshot.ts';
import { RecentRuns, type RunSource } from './recent-runs.ts';
import { type DeadPeriod, deadPeriods, type TaskRuns } from './timeline.ts';

/** Interval between reads of the mesh while a page watches, ms: the page shows a change within a second. */
const POLL_MS = 400;
const MOST_EVENTS = 1_000;

/** A node as the page gets it, without the values that change with every read. */
export type LiveNode = Omit<Node, 'heartbeatAgeMs' | 'uptimeMs'> & {
  /** Redis time, ms; null if the node has stopped. */
  readonly heartbeatAt: number | null;
};

/** Messages to the page, each sent only when its content has changed. `now`: Redis time, ms. */
export type LiveMessage =
  | {
      readonly kind: 'mesh';
      readonly now: number;
      readonly snapshot: Snapshot;
      readonly nodes: readonly LiveNode[];
      readonly dead: readonly DeadPeriod[];
    }
  | {
      readonly kind: 'runs';
      readonly now: number;
      /** Whether `changed` contains all tasks, as in the first message, and not only the changes. */
      readonly all: boolean;
      readonly changed: readonly TaskRuns[];
      readonly gone: readonly string[];
    }
  | { readonly kind: 'trouble'; readonly message: string };

/** The parts of a mesh that the live view reads. */
export type LiveSource = SnapshotSource & RunSource & { readonly events: Pick<Mesh['events'], 'newest'> };

type Listener = (message: LiveMessage) => void;

/** Reads the mesh once for all watching pages, and only while any page watches. */
export class LiveMesh {
  readonly #mesh: LiveSource;
  readonly #clock: Clock;
  readonly #explain: (error: unknown) => string;
  readonly #listeners = new Set<Listener>();
  #runs: RecentRuns;
  #timer: Timer | undefined;
  #lastMesh: { readonly text: string; readonly message: LiveMessage } | undefined;
  #troubled = false;

  constructor(mesh: LiveSource, clock: Clock, explain: (error: unknown) => string) {
    this.#mesh = mesh;
    this.#clock = clock;
    this.#explain = explain;
    this.#runs = new RecentRuns(mesh);
  }

  get watchers(): number {
    return this.#listeners.size;
  }

  /** Sends the current state to the listener, and then changes. @returns a function that ends this. */
  watch(listener: Listener): () => void {
    this.#listeners.add(listener);
    if (this.#lastMesh) {
      listener(this.#lastMesh.message);
      listener({
        kind: 'runs',
        now: messageTime(this.#lastMesh.message),
        all: true,
        changed: this.#runs.all,
        gone: [],
      });
    }
    if (!this.#timer) this.#schedule(0);
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.#rest();
    };
  }

  /** Removes all watchers and stops reading. */
  close(): void {
    this.#listeners.clear();
    this.#rest();
  }

  /** The state would be stale for the next watcher, so it is dropped. */
  #rest(): void {
    this.#timer?.stop();
    this.#timer = undefined;
    this.#lastMesh = undefined;
    this.#runs = new RecentRuns(this.#mesh);
  }

  #schedule(ms: number): void {
    this.#timer = this.#clock.timer(ms, () => {
      void this.#look().finally(() => {
        if (this.#listeners.size > 0) this.#schedule(POLL_MS);
        else this.#rest();
      });
    });
  }

  async #look(): Promise<void> {
    try {
      const now = await this.#mesh.server.time();
      const isFirst = this.#lastMesh === undefined;
      const [{ snapshot, nodes }, events] = await Promise.all([
        takeSnapshot(this.#mesh, this.#clock),
        this.#mesh.events.newest({ limit: MOST_EVENTS }),
      ]);
      const dead = deadPeriods(events, nodes, now);
      this.#tellMesh({ kind: 'mesh', now, snapshot, nodes: nodes.map((node) => liveNode(node, now)), dead });
      const { changed, gone } = await this.#runs.update(now);
      if (isFirst) this.#tell({ kind: 'runs', now, all: true, changed: this.#runs.all, gone: [] });
      else if (changed.length + gone.length > 0) this.#tell({ kind: 'runs', now, all: false, changed, gone });
      this.#troubled = false;
    } catch (error) {
      if (!this.#troubled) this.#tell({ kind: 'trouble', message: this.#explain(error) });
      this.#troubled = true;
      this.#lastMesh = undefined;
    }
  }

  #tellMesh(message: LiveMessage & { kind: 'mesh' }): void {
    const text = JSON.stringify({ ...message, now: 0, snapshot: steady(message.snapshot) });
    const isNews = text !== this.#lastMesh?.text;
    this.#lastMesh = { text, message };
    if (isNews) this.#tell(message);
  }

  #tell(message: LiveMessage): void {
    for (const listener of this.#listeners) listener(message);
  }
}

function messageTime(message: LiveMessage): number {
  return message.kind === 'trouble' ? 0 : message.now;
}

/** The snapshot without values that differ at each read although nothing has happened. */
function steady({ redis, running, oldestWaiting, ...rest }: Snapshot): object {
  return {
    ...rest,
    ok: redis.ok,
    oldest: oldestWaiting?.id,
    running: running.map(({ elapsedMs: _, ...task }) => task),
  };
}

function liveNode({ heartbeatAgeMs, uptimeMs: _, ...node }: Node, now: number): LiveNode {
  // Rounded, since each read computes it from two clocks.
  return { ...node, heartbeatAt: heartbeatAgeMs === null ? null : Math.round((now - heartbeatAgeMs) / 100) * 100 };
}
