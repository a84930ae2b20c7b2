import type { Mesh } from '../../client/mesh.ts';
import type { Clock, Timer } from '../../domain/clock.ts';
import type { MeshEvent } from '../../registry/event-log.ts';
import { type SnapshotSource, takeSnapshot } from '../snapshot.ts';
import { changesOf, liveNode, type MeshChange, type MeshView, wholeOf } from './mesh-changes.ts';
import { RecentRuns, type RunSource } from './recent-runs.ts';
import { deadPeriods, LIVENESS_EVENTS, type TaskRuns } from './timeline.ts';

/** Interval between reads of the mesh while a page watches, ms: the page shows a change within a second. */
const POLL_MS = 400;
/** The whole event log. */
const MOST_EVENTS = 10_000;

/** Messages to the page, each sent only when its content has changed. `now`: Redis time, ms. */
export type LiveMessage =
  | ({
      readonly kind: 'mesh';
      readonly now: number;
      /** Whether the message contains everything, as the first one does, and not only the changes. */
      readonly all: boolean;
    } & MeshChange)
  | {
      readonly kind: 'runs';
      readonly now: number;
      /** Whether `changed` contains all tasks that have not ended. */
      readonly all: boolean;
      readonly changed: readonly TaskRuns[];
      /** Keys of running tasks that no longer exist. */
      readonly gone: readonly string[];
    }
  | { readonly kind: 'trouble'; readonly message: string };

/** The parts of a mesh that the live view reads. */
export type LiveSource = SnapshotSource & RunSource & { readonly events: Pick<Mesh['events'], 'newest' | 'after'> };

type Listener = (message: LiveMessage) => void;

/** Reads the mesh once for all watching pages, and only while any page watches. */
export class LiveMesh {
  readonly #mesh: LiveSource;
  readonly #clock: Clock;
  readonly #explain: (error: unknown) => string;
  readonly #listeners = new Set<Listener>();
  #runs: RecentRuns;
  #events: MeshEvent[] = [];
  /** Id of the last event that was read. */
  #lastEvent: string | undefined;
  #timer: Timer | undefined;
  #last: { readonly now: number; readonly view: MeshView } | undefined;
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
    if (this.#last) {
      const { now, view } = this.#last;
      listener({ kind: 'mesh', now, all: true, ...wholeOf(view) });
      listener({ kind: 'runs', now, all: true, changed: this.#runs.all, gone: [] });
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
    this.#last = undefined;
    this.#runs = new RecentRuns(this.#mesh);
    this.#events = [];
    this.#lastEvent = undefined;
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
      const isFirst = this.#last === undefined;
      const view = await this.#readView(now);
      const change = this.#last ? changesOf(this.#last.view, view) : wholeOf(view);
      this.#last = { now, view };
      if (change) this.#tell({ kind: 'mesh', now, all: isFirst, ...change });
      const { changed, gone } = await this.#runs.update(now);
      if (isFirst) this.#tell({ kind: 'runs', now, all: true, changed: this.#runs.all, gone: [] });
      else if (changed.length + gone.length > 0) this.#tell({ kind: 'runs', now, all: false, changed, gone });
      this.#troubled = false;
    } catch (error) {
      if (!this.#troubled) this.#tell({ kind: 'trouble', message: this.#explain(error) });
      this.#troubled = true;
      this.#last = undefined;
    }
  }

  async #readView(now: number): Promise<MeshView> {
    const [{ snapshot, nodes }] = await Promise.all([takeSnapshot(this.#mesh, this.#clock), this.#readEvents()]);
    const known = this.#last?.view.nodes;
    const live = new Map(nodes.map((node) => [node.id, liveNode(node, now, known?.get(node.id))]));
    return { snapshot, nodes: live, dead: deadPeriods(this.#events, [...live.values()]) };
  }

  async #readEvents(): Promise<void> {
    const read =
      this.#lastEvent === undefined
        ? await this.#mesh.events.newest({ limit: MOST_EVENTS })
        : await this.#mesh.events.after(this.#lastEvent);
    this.#lastEvent = read.at(-1)?.id ?? this.#lastEvent;
    const lives = read.filter(({ event }) => LIVENESS_EVENTS.some((name) => name === event));
    if (lives.length > 0) this.#events = [...this.#events, ...lives].slice(-MOST_EVENTS);
  }

  #tell(message: LiveMessage): void {
    for (const listener of this.#listeners) listener(message);
  }
}
