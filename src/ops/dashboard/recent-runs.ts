import type { Mesh } from '../../client/mesh.ts';
import type { TaskRef } from '../../domain/task.ts';
import type { TaskHistory } from '../../queue/bullmq/run-reader.ts';
import { keyOf, runsOf, type TaskRuns } from './timeline.ts';

/** Maximum number of running tasks per pool. */
const MOST_ACTIVE = 1_000;
/** Maximum number of tasks per line that are looked at for earlier runs, once. */
const MOST_INTERRUPTED = 300;
/** Maximum number of tasks between two runs that a new page gets. */
const MOST_WAITING = 2_000;
/** Ended tasks read at once. */
const PAGE = 1_000;
/** A task can end during a read, so this much time is read twice, ms. */
const OVERLAP_MS = 2_000;

/** The parts of a mesh that the timeline reads. */
export interface RunSource {
  readonly runs: Pick<Mesh['runs'], 'active' | 'interrupted' | 'ended' | 'of'>;
}

interface Known {
  readonly runs: TaskRuns;
  /** To detect changes. */
  readonly text: string;
  /** When the task ended, Redis time (ms); null if it has not. */
  readonly endedAt: number | null;
}

/**
 * The tasks that run, wait for another run, or have just ended. Earlier runs are history, which each page reads as far
 * back as it looks. Each {@link update} reads only tasks that may have changed.
 */
export class RecentRuns {
  readonly #source: RunSource['runs'];
  readonly #known = new Map<string, Known>();
  #running: readonly TaskRef[] = [];
  #readTo: number | undefined;

  constructor({ runs }: RunSource) {
    this.#source = runs;
  }

  /** All known runs, as of the last update. */
  get all(): readonly TaskRuns[] {
    return [...this.#known.values()].map(({ runs }) => runs);
  }

  /**
   * Updates the runs to `now` (Redis time, ms). @returns the tasks whose runs have changed, and the keys of running
   * tasks that no longer exist.
   */
  async update(now: number): Promise<{ changed: TaskRuns[]; gone: string[] }> {
    const isFirst = this.#readTo === undefined;
    const since = (this.#readTo ?? now) - OVERLAP_MS;
    const [active, ended, interrupted] = await Promise.all([
      this.#source.active(MOST_ACTIVE),
      this.#endedSince(since),
      isFirst ? this.#source.interrupted(MOST_INTERRUPTED) : [],
    ]);
    // A task that ended between the two reads is in both.
    const endedKeys = new Set(ended.map(keyOf));
    const running = active.filter((task) => !endedKeys.has(keyOf(task)));
    const seen = new Set([...endedKeys, ...running.map(keyOf)]);
    // These runs have ended, but not their tasks: after a retry, a handover or a hold.
    const left = this.#running.filter((task) => !seen.has(keyOf(task)));
    const waiting = [...interrupted.filter((task) => !seen.has(keyOf(task))), ...(await this.#source.of(left))];
    this.#readTo = now;
    const open = [...waiting, ...running];
    this.#running = open
      .filter(({ history }) => history.at(-1)?.event === 'claimed')
      .map(({ id, pool }) => ({ id, pool }));
    // In the order of their ends, and before claims: a slot is free before it is taken again, so the page gives both runs
    // the same row.
    const inOrder = ended.toSorted((a, b) => endOf(a) - endOf(b));
    const changed = [
      ...inOrder.flatMap((task) => this.#note(task, now)),
      ...open.flatMap((task) => this.#note(task, null)),
    ];
    const existing = new Set(waiting.map(keyOf));
    const gone = left.map(keyOf).filter((key) => !existing.has(key));
    for (const key of gone) this.#known.delete(key);
    this.#forget(since);
    return { changed, gone };
  }

  async #endedSince(since: number): Promise<TaskHistory[]> {
    const tasks: TaskHistory[] = [];
    for (let until: number | undefined; ; ) {
      const page = await this.#source.ended({ since, until, limit: PAGE });
      tasks.push(...page.tasks);
      if (page.reach === null) return tasks;
      until = page.reach;
    }
  }

  #note(task: TaskHistory, endedAt: number | null): TaskRuns[] {
    const runs = runsOf(task);
    if (runs.bars.length === 0) return [];
    const key = keyOf(task);
    const text = JSON.stringify(runs.bars);
    const known = this.#known.get(key);
    if (known?.text === text) return [];
    // At the end, so that the tasks that changed longest ago come first.
    this.#known.delete(key);
    this.#known.set(key, { runs, text, endedAt });
    return [runs];
  }

  /** Ended tasks are kept for as long as they may be read twice. */
  #forget(before: number): void {
    const waiting: string[] = [];
    for (const [key, { runs, endedAt }] of this.#known) {
      if (endedAt !== null && endedAt < before) this.#known.delete(key);
      else if (endedAt === null && runs.bars.at(-1)?.to !== null) waiting.push(key);
    }
    for (const key of waiting.slice(0, -MOST_WAITING)) this.#known.delete(key);
  }
}

/** When the last event of the task happened, ms. */
function endOf({ history }: TaskHistory): number {
  return Date.parse(history.at(-1)?.at ?? '');
}
