import type { Mesh } from '../../client/mesh.ts';
import type { Clock, Timer } from '../../domain/clock.ts';
import type { Node } from '../../domain/node.ts';
import { type Snapshot, type SnapshotSource, takeSnapshot } from '../snapshot.ts';
import { RecentRuns, type RunSource } from './recent-runs.ts';
import { type DeadPeriod, deadPeriods, type TaskRuns } from './timeline.ts';

/** How often the mesh is looked at while somebody watches, ms: what happens is on the page within a second. */
const POLL_MS = 400;
const MOST_EVENTS = 1_000;

/** What the page is told of a node: what changes with every look is left out. */
export type LiveNode = Omit<Node, 'heartbeatAgeMs' | 'uptimeMs'> & {
  /** Redis time, ms; null where it has stopped. */
  readonly heartbeatAt: number | null;
};

/** What the page is told, each kind only when it has changed. `now`: Redis time, ms. */
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
      /** All that there are, to begin with; else what has changed. */
      readonly all: boolean;
      readonly changed: readonly TaskRuns[];
      readonly gone: readonly string[];
    }
  | { readonly kind: 'trouble'; readonly message: string };

/** What the live view reads of a mesh. */
export type LiveSource = SnapshotSource & RunSource & { readonly events: Pick<Mesh['events'], 'newest'> };

type Listener = (message: LiveMessage) => void;

/** Looks at the mesh for all who watch together, and only while somebody does. */
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

  /** Tells the listener how things are, and then what changes; answers how to end that. */
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

  /** Ends all looking. */
  close(): void {
    this.#listeners.clear();
    this.#rest();
  }

  /** What is known now would be old when somebody looks again. */
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

/** Without what is another number at each look though nothing has happened. */
function steady({ redis, running, oldestWaiting, ...rest }: Snapshot): object {
  return {
    ...rest,
    ok: redis.ok,
    oldest: oldestWaiting?.id,
    running: running.map(({ elapsedMs: _, ...task }) => task),
  };
}

function liveNode({ heartbeatAgeMs, uptimeMs: _, ...node }: Node, now: number): LiveNode {
  // Rounded, since it is reckoned anew from two clocks' readings each time.
  return { ...node, heartbeatAt: heartbeatAgeMs === null ? null : Math.round((now - heartbeatAgeMs) / 100) * 100 };
}
