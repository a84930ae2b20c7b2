import type { Mesh } from '../../client/mesh.ts';
import type { Task } from '../../domain/task.ts';
import { runsOf, type TaskRuns } from './timeline.ts';

/** How far the timeline reaches back, ms. */
export const WINDOW_MS = 3_600_000;
/** Maximum number of ended tasks per pool and state, the newest. */
const MOST_ENDED = 300;
const MOST_ACTIVE = 500;
/** Maximum number of tasks to draw repeatedly; the newest stay, and those that have not ended. */
const MOST_SHOWN = 600;
/** A task can end during a read, so this much time is read twice, ms. */
const OVERLAP_MS = 2_000;

/** The parts of a mesh that the timeline reads. */
export interface RunSource extends Pick<Mesh, 'handovers'> {
  readonly task: Pick<Mesh['task'], 'list' | 'endedSince' | 'getAll'>;
}

/** The runs of the last hour. Each {@link update} reads only tasks that may have changed. */
export class RecentRuns {
  readonly #mesh: RunSource;
  readonly #tasks = new Map<string, TaskRuns>();
  /** The last version sent of each task, to detect changes. */
  readonly #shown = new Map<string, string>();
  /** Tasks that had not ended at their last read. */
  #open = new Set<string>();
  #readTo: number | undefined;

  constructor(mesh: RunSource) {
    this.#mesh = mesh;
  }

  /** All known runs, as of the last update. */
  get all(): readonly TaskRuns[] {
    return [...this.#tasks.values()];
  }

  /**
   * Updates the runs to `now` (Redis time, ms). @returns the tasks whose runs have changed, and those that are dropped.
   */
  async update(now: number): Promise<{ changed: TaskRuns[]; gone: string[] }> {
    const since = this.#readTo === undefined ? now - WINDOW_MS : this.#readTo - OVERLAP_MS;
    const [active, ended] = await Promise.all([
      this.#mesh.task.list({ state: 'active', limit: MOST_ACTIVE }),
      this.#mesh.task.endedSince(since, MOST_ENDED),
    ]);
    // A task may have changed state between the two reads; and a task after a handover waits for its next claim.
    const seen = new Set([...active, ...ended].map(({ id }) => id));
    const elsewhere = this.#readTo === undefined ? await this.#handedOver() : [...this.#open];
    const moved = await this.#mesh.task.getAll(elsewhere.filter((id) => !seen.has(id)));
    this.#readTo = now;
    const tasks = [...active, ...ended, ...moved];
    this.#open = new Set(tasks.filter(isOpen).map(({ id }) => id));
    const noted = tasks.flatMap((task) => this.#note(task));
    const gone = this.#forget(now - WINDOW_MS);
    return { changed: noted.filter(({ id }) => this.#tasks.has(id)), gone };
  }

  async #handedOver(): Promise<string[]> {
    const handovers = await this.#mesh.handovers({ sinceMs: WINDOW_MS, limit: 200 });
    return [...new Set(handovers.map(({ taskId }) => taskId))];
  }

  #note(task: Task): TaskRuns[] {
    const runs = runsOf(task);
    const text = JSON.stringify(runs);
    if (runs.bars.length === 0 || this.#shown.get(task.id) === text) return [];
    this.#shown.set(task.id, text);
    this.#tasks.set(task.id, runs);
    return [runs];
  }

  #forget(before: number): string[] {
    const byEnd = [...this.#tasks.values()]
      .map((task) => ({ id: task.id, end: Math.max(...task.bars.map(({ to }) => to ?? Number.POSITIVE_INFINITY)) }))
      .sort((a, b) => b.end - a.end);
    const old = byEnd.filter(({ end }, place) => end < before || (place >= MOST_SHOWN && Number.isFinite(end)));
    for (const { id } of old) {
      this.#tasks.delete(id);
      this.#shown.delete(id);
    }
    return old.map(({ id }) => id);
  }
}

function isOpen(task: Task): boolean {
  return task.finishedAt === null && task.history.length > 1;
}
