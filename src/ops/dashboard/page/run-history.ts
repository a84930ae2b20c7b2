import type { TimelinePage } from '../api/timeline.ts';
import type { RunStore } from './run-store.ts';

/** Maximum number of tasks that a page holds: some 30 MB. */
const MOST_TASKS = 100_000;
/** A live view that comes back may have missed what ended since shortly before it was lost, ms. */
const OVERLAP_MS = 5_000;
const RETRY_MS = 3_000;

/** How far the page knows the past. */
export interface HistoryState {
  /** Every task that ended since then and still exists is loaded (Redis time, ms). */
  readonly reach: number;
  readonly isLoading: boolean;
  /** Why earlier tasks are not loaded. `nothing`: Redis keeps none. `full`: the page holds its maximum. */
  readonly end: 'nothing' | 'full' | null;
}

/** Loads ended tasks into the store, the newest first, as far back as the view looks. */
export class RunHistory {
  readonly #store: RunStore;
  readonly #load: (before: number | undefined) => Promise<TimelinePage>;
  readonly #onChange: () => void;
  #reach = Number.POSITIVE_INFINITY;
  #wanted = Number.POSITIVE_INFINITY;
  #end: HistoryState['end'] = null;
  /** A period that the live view has missed; `to` moves to its beginning. */
  #gap: { readonly from: number; readonly to: number } | undefined;
  #isLoading = false;

  constructor(store: RunStore, load: (before: number | undefined) => Promise<TimelinePage>, onChange: () => void) {
    this.#store = store;
    this.#load = load;
    this.#onChange = onChange;
  }

  get state(): HistoryState {
    return { reach: this.#reach, isLoading: this.#isLoading, end: this.#end };
  }

  /** Loads everything that ended since then (Redis time, ms). */
  want(since: number): void {
    this.#wanted = Math.min(this.#wanted, since);
    void this.#run();
  }

  /** Loads again what has ended since the live view was lost (Redis time, ms). */
  reopen(lostAt: number): void {
    if (this.#reach === Number.POSITIVE_INFINITY) return;
    const from = Math.min(lostAt - OVERLAP_MS, this.#gap?.from ?? Number.POSITIVE_INFINITY);
    this.#gap = { from, to: Number.POSITIVE_INFINITY };
    void this.#run();
  }

  /** Keeps the page within its maximum while new tasks arrive. */
  trim(): void {
    if (this.#store.size <= MOST_TASKS * 1.1) return;
    const dropped = this.#store.keepNewest(MOST_TASKS);
    if (dropped === undefined) return;
    this.#reach = Math.max(dropped, this.#reach);
    this.#end = 'full';
  }

  async #run(): Promise<void> {
    if (this.#isLoading || this.#next() === undefined) return;
    this.#isLoading = true;
    this.#onChange();
    try {
      for (let before = this.#next(); before !== undefined; before = this.#next()) {
        this.#take(await this.#load(Number.isFinite(before) ? before : undefined));
        this.#onChange();
      }
      this.#isLoading = false;
    } catch {
      // The live view says why.
      setTimeout(() => {
        this.#isLoading = false;
        void this.#run();
      }, RETRY_MS);
    }
    this.#onChange();
  }

  /** The time before which to load; undefined if all is there. */
  #next(): number | undefined {
    if (this.#gap) return this.#gap.to;
    return this.#end === null && this.#reach > this.#wanted ? this.#reach : undefined;
  }

  #take({ tasks, reach }: TimelinePage): void {
    for (const task of tasks) {
      // The live view may have told of a newer run.
      if (this.#store.barsOf(task).length <= task.bars.length) this.#store.set(task);
    }
    if (this.#gap) {
      const isClosed = reach === null || reach <= this.#gap.from;
      this.#gap = isClosed ? undefined : { ...this.#gap, to: reach };
      return;
    }
    this.#reach = reach ?? Number.NEGATIVE_INFINITY;
    if (reach === null) this.#end = 'nothing';
    else if (this.#store.size >= MOST_TASKS) this.#end = 'full';
  }
}
