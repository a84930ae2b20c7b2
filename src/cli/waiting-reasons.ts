import type { Mesh } from '../client/mesh.ts';
import { targetOf } from '../domain/target.ts';
import type { NewTask, Task } from '../domain/task.ts';
import { type WaitingFacts, type WaitingReason, type WaitingTask, waitingFacts, whyWaiting } from '../ops/waiting.ts';
import type { Output } from './output.ts';

/** A look reads what all nodes tell of themselves; more often would tell a person no more, ms. */
const LOOK_MS = 1_000;
/** A task that starts at once needs no reason why it does not, ms. */
const FIRST_LOOK_MS = 300;
/** Tasks of one look; they mostly wait for the same. */
const MOST_TASKS = 100;
/** Reasons that are told of one `enqueue`. */
const MOST_TOLD = 5;

/** A reason as people read it: what keeps the task, and what to do. */
export function reasonText({ text, fix }: WaitingReason): string {
  return fix === null ? text : `${text} (${fix})`;
}

/** Why tasks that somebody waits for do not run; looked up beside the wait, which it never disturbs. */
export class WaitingReasons {
  readonly #mesh: Mesh;
  readonly #note: ((text: string) => void) | undefined;
  readonly #told = new Set<string>();
  #lookAtMs = FIRST_LOOK_MS;
  #looking = false;
  #reason: WaitingReason | undefined;

  /** `note` is told, once each, of reasons that a person can do something about. */
  constructor(mesh: Mesh, note?: (text: string) => void) {
    this.#mesh = mesh;
    this.#note = note;
  }

  /** Why the first of these waits, as of the last look; asks for another look if that was long ago. */
  of(running: readonly Task[], elapsedMs: number): string | undefined {
    const waiting = running.filter(({ state }) => state !== 'active');
    if (waiting.length === 0) this.#reason = undefined;
    else if (!this.#looking && elapsedMs >= this.#lookAtMs) void this.#look(waiting, elapsedMs);
    return this.#reason && reasonText(this.#reason);
  }

  /** The reason now, for a wait that has come to its end without the task's. */
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
      // The wait itself says what is wrong with Redis.
    } finally {
      this.#looking = false;
    }
  }

  #tell(text: string): void {
    // Times in it count down.
    const same = text.replace(/\d+/g, '0');
    if (!this.#told.has(same)) this.#note?.(text);
    this.#told.add(same);
  }
}

/** The first reason that a person can do something about, else the first one. */
function firstReason(tasks: readonly WaitingTask[], facts: WaitingFacts): WaitingReason | undefined {
  const reasons = tasks.flatMap((task) => whyWaiting(task, facts) ?? []);
  return reasons.find(({ fix }) => fix !== null) ?? reasons[0];
}

/** What is to be known of tasks that are queued: the places that they name, each once. */
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

  /** Says which tasks will wait for more than a free slot, a typo in a pool or a label above all. */
  async tell(mesh: Mesh, out: Output): Promise<void> {
    // What was queued is queued; whoever has to know more waits for it.
    const facts = await waitingFacts(mesh).catch(() => undefined);
    if (!facts) return;
    const reasons = [...this.#places.values()].flatMap((place) => whyWaiting(place, facts) ?? []);
    const texts = new Set(reasons.filter(({ nobodyUp }) => !nobodyUp).map(reasonText));
    for (const text of [...texts].slice(0, MOST_TOLD)) out.note(`it will wait: ${text}`);
  }
}
