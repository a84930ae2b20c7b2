import type { Mesh } from '../client/mesh.ts';
import { targetOf } from '../domain/target.ts';
import type { NewTask, Task } from '../domain/task.ts';
import { type WaitingFacts, type WaitingReason, type WaitingTask, waitingFacts, whyWaiting } from '../ops/waiting.ts';
import type { Output } from './output.ts';

/** Interval between lookups, ms: each reads the state of all nodes, and a shorter interval is of no use to a user. */
const LOOK_MS = 1_000;
/** Wait before the first lookup, ms: a task that starts at once needs no reason. */
const FIRST_LOOK_MS = 300;
/** Maximum number of tasks per lookup; most wait for the same reason. */
const MOST_TASKS = 100;
/** Maximum number of reasons to print for one `enqueue`. */
const MOST_TOLD = 5;

/** A reason as text: why the task waits, and the remedy. */
export function reasonText({ text, fix }: WaitingReason): string {
  return fix === null ? text : `${text} (${fix})`;
}

/** Why the awaited tasks do not run; looked up beside the wait, which it never disturbs. */
export class WaitingReasons {
  readonly #mesh: Mesh;
  readonly #note: ((text: string) => void) | undefined;
  readonly #told = new Set<string>();
  #lookAtMs = FIRST_LOOK_MS;
  #looking = false;
  #reason: WaitingReason | undefined;

  /** @param note receives each reason that an operator can act on, once. */
  constructor(mesh: Mesh, note?: (text: string) => void) {
    this.#mesh = mesh;
    this.#note = note;
  }

  /** Why the first of these tasks waits, as of the last lookup; starts another lookup if that is out of date. */
  of(running: readonly Task[], elapsedMs: number): string | undefined {
    const waiting = running.filter(({ state }) => state !== 'active');
    if (waiting.length === 0) this.#reason = undefined;
    else if (!this.#looking && elapsedMs >= this.#lookAtMs) void this.#look(waiting, elapsedMs);
    return this.#reason && reasonText(this.#reason);
  }

  /** The current reason, for a wait that ends before its task. */
  async atLast(ids: readonly string[]): Promise<string | undefined> {
    const tasks = await this.#mesh.task.getAll(ids.slice(0, MOST_TASKS));
    const reason = firstReason(tasks, await waitingFacts(this.#mesh));
    return reason && reasonText(reason);
  }

  async #look(waiting: readonly Task[], elapsedMs: number): Promise<void> {
    this.#looking = true;
    this.#lookAtMs = elapsedMs + LOOK_MS;
    try {
      this.#reason = firstReason(waiting.slice(0, MOST_TASKS), await waitingFacts(this.#mesh));
      if (this.#reason?.fix) this.#tell(`waiting: ${reasonText(this.#reason)}`);
    } catch {
      // The wait itself reports Redis problems.
    } finally {
      this.#looking = false;
    }
  }

  #tell(text: string): void {
    // Times in the text count down, so digits are ignored.
    const same = text.replace(/\d+/g, '0');
    if (!this.#told.has(same)) this.#note?.(text);
    this.#told.add(same);
  }
}

/** The first reason that an operator can act on, else the first one. */
function firstReason(tasks: readonly WaitingTask[], facts: WaitingFacts): WaitingReason | undefined {
  const reasons = tasks.flatMap((task) => whyWaiting(task, facts) ?? []);
  return reasons.find(({ fix }) => fix !== null) ?? reasons[0];
}

/** Collects the distinct places (pool, target, agent and model) of queued tasks. */
export class QueuedPlaces {
  readonly #places = new Map<string, WaitingTask>();

  add(tasks: readonly NewTask[]): void {
    for (const task of tasks) {
      if (this.#places.size >= MOST_TASKS) return;
      const { pool, agent = null, model = null } = task;
      const target = targetOf(task) ?? null;
      const place: WaitingTask = {
        pool,
        agent,
        session: null,
        model,
        target,
        state: 'waiting',
        heldBy: null,
        delayedUntil: null,
      };
      this.#places.set(JSON.stringify(place), place);
    }
  }

  /** Reports which tasks will wait for more than a free slot, above all because of a typo in a pool or a label. */
  async tell(mesh: Mesh, out: Output): Promise<void> {
    // The tasks are queued, so an error here must not fail the command.
    const facts = await waitingFacts(mesh).catch(() => undefined);
    if (!facts) return;
    const reasons = [...this.#places.values()].flatMap((place) => whyWaiting(place, facts) ?? []);
    const texts = new Set(reasons.filter(({ noNodeUp }) => !noNodeUp).map(reasonText));
    for (const text of [...texts].slice(0, MOST_TOLD)) out.note(`expect a wait: ${text}`);
  }
}
