import type { LineOf, RecordEntry, TaskSeen } from './history.ts';
import type { Specification } from './linearizable.ts';

/**
 * What happens to one task, one atomic step after the other. Which answers are right is said here, and nowhere else.
 */
export type Step =
  | { readonly kind: 'asked'; readonly line: Exclude<LineOf<'asked'>, { what: 'cancel' }> }
  /** A cancellation looks and asks several times; each time is a step of its own, between these two. */
  | { readonly kind: 'cancel-opens'; readonly line: CancelLine }
  | { readonly kind: 'cancel-closes'; readonly line: CancelLine }
  /** Its last request, which was still under way when its caller gave up. */
  | { readonly kind: 'cancel-late'; readonly line: CancelLine }
  | { readonly kind: 'began'; readonly line: LineOf<'began'> }
  | { readonly kind: 'ended'; readonly line: LineOf<'ended'> }
  | { readonly kind: 'left'; readonly line: LineOf<'left'> }
  | { readonly kind: 'up'; readonly line: LineOf<'up'> }
  /** The entries of the handover log, oldest first. */
  | { readonly kind: 'log'; readonly logged: readonly string[] }
  /** From here on, what Redis is told is what it will have forgotten after its `kill`-th death. */
  | { readonly kind: 'forgets'; readonly kill: number }
  | { readonly kind: 'redis-killed'; readonly kill: number };

export type CancelLine = Extract<LineOf<'asked'>, { what: 'cancel' }>;
/** `cut`: the run failed without an end of its own, and its node has reported that. */
type How = LineOf<'ended'>['how'] | 'cut';

/** What stands in Redis, and is forgotten with it. */
interface Stored {
  readonly place: 'absent' | 'waiting' | 'active' | 'completed' | 'failed' | 'cancelled';
  /** The claim: the run that it is for, or `?<node>` for one whose run never began. */
  readonly claim: string | null;
  /** The claim's incarnation was replaced before its run had an end: no node can report for it. */
  readonly isVoid: boolean;
  readonly made: number;
  readonly most: number;
  readonly handovers: number;
  /** Losses since it was queued by hand. */
  readonly lost: number;
  /** The one run that costs no attempt, since its provider was in trouble, has been. */
  readonly freeUsed: boolean;
  /** It was cancelled while it was claimed. */
  readonly isMarked: boolean;
  readonly answer: string | null;
  readonly record: readonly string[];
  /** What the handover log says about it. */
  readonly logged: readonly string[];
  /** Node → its incarnation. */
  readonly current: Readonly<Record<string, number>>;
}

export interface TaskState {
  readonly stored: Stored;
  /** What Redis goes back to when it is killed next; null where it forgets nothing. */
  readonly kept: Stored | null;
  readonly kills: number;
  /** Runs that nodes have got a claim for; they know it, whatever Redis forgets. */
  readonly claimed: readonly string[];
  readonly begun: readonly string[];
  readonly ended: Readonly<Record<string, How>>;
  /** Claims whose node was told to stop. */
  readonly told: readonly string[];
  /** Cancellations under way. */
  readonly cancelling: number;
  /** Those of them that will not find it waiting: one that does ends it, and is answered so. */
  readonly marking: number;
}

export interface TaskMachineOptions {
  readonly runs: readonly LineOf<'began'>[];
  readonly attempts: number;
  readonly maxHandovers: number;
  /**
   * Where the task is looked at, in the order of the operations: shortens the search, since a record only grows.
   * `entries`
   * is null if it was gone.
   */
  readonly shows: readonly {
    readonly by: number;
    readonly called: number;
    readonly entries: readonly string[] | null;
  }[];
  /** When Redis was killed. */
  readonly kills: readonly number[];
  /**
   * What the handover log says about the task in the end; undefined if it was not read. No handover is without an
   * entry.
   */
  readonly logged: readonly string[] | undefined;
  /**
   * Ends of claims for which no run has an end are only believed where they are on record in the end; undefined: that
   * is not known.
   */
  readonly onRecord: ReadonlySet<string> | undefined;
  /** Nodes that may have claimed it without beginning a run, and how many handovers there may be. */
  readonly nodes: readonly string[];
  readonly handoversAtMost: number;
}

const UNKNOWN_NODE = 'a node';

export function recordOf(entries: readonly RecordEntry[]): string[] {
  return entries.map(({ event, node, attempt }) => entryOf(event, node, attempt));
}

function entryOf(event: string, node: string | null, attempt: number | null): string {
  return `${event} ${node ?? '-'} ${attempt ?? '-'}`;
}

/**
 * Why a task left its node, as far as it matters here: `drain`, the node released it; `lapsed`, no node renewed the
 * claim;
 * `lost`, the node's incarnation was declared dead.
 */
type Why = 'drain' | 'lapsed' | 'lost';

export function loggedOf({ from, reason }: Pick<LineOf<'handover'>, 'from' | 'reason'>): string {
  const why: Why = reason === 'drain' ? 'drain' : reason === 'visibility-timeout' ? 'lapsed' : 'lost';
  return `${from} ${why}`;
}

/** The specification of one task. */
export function taskMachine(options: TaskMachineOptions): Specification<TaskState, Step> {
  const runOf = new Map(options.runs.map((run) => [run.run, run]));
  const nodeOf = (claim: string) => runOf.get(claim)?.node ?? claim.slice(1);

  /** See {@link Specification.reduce}. */
  function reduce(state: TaskState, placed: (index: number) => boolean): TaskState | undefined {
    const { stored, kept } = state;
    if (stored.handovers > options.handoversAtMost) return undefined;
    const forgottenAt = options.kills[state.kills] ?? Number.POSITIVE_INFINITY;
    const shows = options.shows.filter(
      ({ by, called, entries }) => entries && !placed(by) && (!kept || called <= forgottenAt),
    );
    const fits = ({ entries }: (typeof shows)[number]) => isPrefix(stored.record, entries ?? []);
    // What will be forgotten is seen by some of the next looks, what will not by all of them.
    if (shows.length > 0 && !(kept ? shows.some(fits) : shows.every(fits))) return undefined;
    const { logged } = options;
    if (logged && !kept && !isPrefix(stored.logged, logged)) return undefined;
    return withStored(state, {
      ...(shows.length === 0 && { record: [] }),
      ...((!logged || kept) && { logged: [] }),
    });
  }

  /** One request of a cancellation. */
  function cancel(state: TaskState, onlyMarks: boolean): TaskState[] {
    const { stored } = state;
    if (stored.place === 'waiting' && !onlyMarks) return [withStored(state, cancelled(stored))];
    if (stored.place !== 'active' || stored.claim === null) return [state];
    const told = state.told.includes(stored.claim) ? state.told : [...state.told, stored.claim];
    return [{ ...withStored(state, { isMarked: true }), told }];
  }

  function claims(state: TaskState): TaskState[] {
    const { stored } = state;
    const found: TaskState[] = [];
    const claim = (name: string) => ({
      ...withStored(state, {
        place: 'active',
        claim: name,
        isVoid: false,
        record: [...stored.record, entryOf('claimed', nodeOf(name), stored.made + 1)],
      }),
    });
    for (const node of options.nodes) found.push(claim(`?${node}`));
    if (stored.isMarked) return found;
    for (const { run, node, incarnation, attempt, handovers } of options.runs.toReversed()) {
      if (state.claimed.includes(run)) continue;
      if (attempt !== stored.made + 1 || handovers !== stored.handovers) continue;
      if (incarnation !== null && (stored.current[node] ?? 0) > incarnation) continue;
      found.push({ ...claim(run), claimed: [...state.claimed, run].sort() });
    }
    return found;
  }

  /** The claim is orphaned, or its node gives the task back. */
  function handovers(state: TaskState): TaskState[] {
    const { stored } = state;
    const { claim } = stored;
    if (claim === null) return [];
    const node = nodeOf(claim);
    // A node that gives a task back does not begin it afterwards.
    const mayGiveBack = !runOf.has(claim) || state.begun.includes(claim);
    const reasons: Why[] = mayGiveBack ? ['drain', 'lapsed', 'lost'] : ['lapsed', 'lost'];
    const incarnation = runOf.get(claim)?.incarnation ?? null;
    return reasons.map((why) => {
      const isDead = why === 'lost' && incarnation !== null;
      const current = isDead ? { ...stored.current, [node]: incarnation + 1 } : stored.current;
      const back: Stored = {
        ...stored,
        place: 'waiting',
        claim: null,
        isVoid: false,
        handovers: stored.handovers + 1,
        lost: stored.lost + (why === 'drain' ? 0 : 1),
        current,
        record: [...stored.record, entryOf('handover', node, stored.made + 1)],
        logged: [...stored.logged, `${node} ${why}`],
      };
      if (back.isMarked) return withStored(state, { ...back, ...cancelled(back) });
      if (back.lost > options.maxHandovers) {
        const record = [...back.record, entryOf('failed', null, back.made)];
        return withStored(state, { ...back, place: 'failed', record });
      }
      return withStored(state, back);
    });
  }

  /** The node reports how its run has ended, and Redis takes that. */
  function reports(state: TaskState): TaskState[] {
    const { stored } = state;
    const { claim, made } = stored;
    if (claim === null || stored.isVoid) return [];
    const node = nodeOf(claim);
    const isRun = runOf.has(claim);
    // A node reports what it has begun; other claims have no run.
    if (isRun && !state.begun.includes(claim)) return [];
    const how = state.ended[claim];
    const found: TaskState[] = [];
    const add = (event: string, change: Partial<Stored>) => {
      const entry = entryOf(event, node, made + 1);
      const isBelieved = how !== undefined || state.kept || !options.onRecord || options.onRecord.has(entry);
      if (!isBelieved) return;
      const record = [...stored.record, entry];
      const next = withStored(state, { claim: null, isVoid: false, ...change, record });
      found.push(how === undefined && isRun ? { ...next, ended: withEnd(state.ended, claim, 'cut') } : next);
    };
    // It may be stopped between its end and its answer.
    if (stored.isMarked || state.told.includes(claim)) add('cancelled', { place: 'cancelled', made: made + 1 });
    if (how === 'answered') {
      add('completed', { place: 'completed', made: made + 1, answer: claim });
      return found;
    }
    const isLast = made + 1 >= stored.most;
    // One that had no end of its own may have failed for any reason.
    if (how === 'refused' || how === undefined || how === 'cut' || isLast)
      add('failed', { place: 'failed', made: made + 1 });
    if (how === 'refused') return found;
    // The first failure of a provider costs no attempt.
    if (how === 'failed' && !stored.freeUsed) add('retry', { place: 'waiting', freeUsed: true });
    if (!isLast) add('retry', { place: 'waiting', made: made + 1 });
    return found;
  }

  function askedFor(state: TaskState, line: Extract<Step, { kind: 'asked' }>['line']): TaskState[] {
    const { stored } = state;
    const { place } = stored;
    const when = (right: boolean, change: Partial<Stored> = {}) => (right ? [withStored(state, change)] : []);
    if (line.what === 'enqueue') {
      return when(place === 'absent', {
        ...NOTHING,
        place: 'waiting',
        most: line.attempts,
        record: [entryOf('enqueued', null, null)],
        logged: stored.logged,
        current: stored.current,
      });
    }
    if (line.what === 'show') return when(isSeen(stored, line.answer));
    const isOpen = place === 'waiting' || place === 'active';
    if (line.what === 'retry') {
      const mayRetry = place === 'failed' || place === 'cancelled';
      if (line.answer === 'queued') return when(mayRetry, queuedAgain(stored, options.attempts));
      if (line.answer === 'open') return when(isOpen);
      if (line.answer !== null) return when(place === (line.answer === 'gone' ? 'absent' : line.answer));
      return when(true, mayRetry ? queuedAgain(stored, options.attempts) : {});
    }
    // Removing what is gone already is no error.
    const removed = { ...NOTHING, logged: stored.logged, current: stored.current };
    if (line.answer === 'removed') return when(place !== 'active', removed);
    if (line.answer !== null) return when(place === (line.answer === 'running' ? 'active' : 'absent'));
    return when(true, place === 'active' ? {} : removed);
  }

  /**
   * The node's new incarnation fences the one before; what that had finished is delivered, its other claims are
   * orphaned.
   */
  function registered(state: TaskState, { node, incarnation }: LineOf<'up'>): TaskState {
    const { claim } = state.stored;
    const run = claim === null ? undefined : runOf.get(claim);
    const isFenced = run?.node === node && run.incarnation !== null && run.incarnation < incarnation;
    return withStored(state, {
      current: { ...state.stored.current, [node]: incarnation },
      ...(isFenced && !(run.run in state.ended) && { isVoid: true }),
    });
  }

  return {
    initial: {
      stored: { ...NOTHING, most: options.attempts },
      kept: null,
      kills: 0,
      claimed: [],
      begun: [],
      ended: {},
      told: [],
      cancelling: 0,
      marking: 0,
    },
    key: (state) => JSON.stringify(state),
    apply(state, step) {
      switch (step.kind) {
        case 'asked':
          return askedFor(state, step.line);
        case 'cancel-opens':
          return [opened(state, step.line, 1)];
        case 'cancel-closes': {
          const closed = opened(state, step.line, -1);
          if (closed.cancelling < 0 || closed.marking < 0 || !mayClose(state.stored, step.line.answer)) return [];
          return [closed];
        }
        case 'cancel-late':
          return cancel(state, false);
        case 'began': {
          const { run } = step.line;
          if (!state.claimed.includes(run) || state.begun.includes(run)) return [];
          return [{ ...state, begun: [...state.begun, run].sort() }];
        }
        case 'ended': {
          const { run, how } = step.line;
          if (!state.begun.includes(run) || run in state.ended) return [];
          return [{ ...state, ended: withEnd(state.ended, run, how) }];
        }
        case 'left':
          return [];
        case 'up':
          return [registered(state, step.line)];
        case 'log':
          return isSame(state.stored.logged, step.logged) ? [state] : [];
        case 'forgets':
          return state.kills === step.kill && !state.kept ? [{ ...state, kept: state.stored }] : [];
        case 'redis-killed':
          if (state.kills !== step.kill) return [];
          return [{ ...state, stored: state.kept ?? state.stored, kept: null, kills: state.kills + 1 }];
      }
    },
    internal(state) {
      const { place } = state.stored;
      const next: TaskState[] = [];
      if (state.cancelling > 0 || state.marking > 0) next.push(...cancel(state, state.cancelling === 0));
      if (place === 'waiting') next.push(...claims(state));
      if (place === 'active') next.push(...handovers(state), ...reports(state));
      return next;
    },
    reduce,
  };
}

const NOTHING: Stored = {
  place: 'absent',
  claim: null,
  isVoid: false,
  made: 0,
  most: 0,
  handovers: 0,
  lost: 0,
  freeUsed: false,
  isMarked: false,
  answer: null,
  record: [],
  logged: [],
  current: {},
};

function withStored(state: TaskState, change: Partial<Stored>): TaskState {
  return { ...state, stored: { ...state.stored, ...change } };
}

function withEnd(ended: TaskState['ended'], run: string, how: How): TaskState['ended'] {
  return Object.fromEntries(Object.entries({ ...ended, [run]: how }).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function cancelled(stored: Stored): Partial<Stored> {
  return { place: 'cancelled', isMarked: false, record: [...stored.record, entryOf('cancelled', null, stored.made)] };
}

function queuedAgain(stored: Stored, attempts: number): Partial<Stored> {
  const ran = stored.record.some((entry) => entry.startsWith('claimed '));
  const entry = entryOf(ran ? 'retry' : 'enqueued', null, stored.made + 1);
  const record = [...stored.record, entry];
  return { place: 'waiting', isMarked: false, lost: 0, most: stored.made + attempts, record };
}

function opened(state: TaskState, { answer }: CancelLine, by: 1 | -1): TaskState {
  const onlyMarks = answer !== null && answer !== 'cancelled';
  return onlyMarks ? { ...state, marking: state.marking + by } : { ...state, cancelling: state.cancelling + by };
}

function mayClose(stored: Stored, answer: CancelLine['answer']): boolean {
  if (answer === 'cancelled') return stored.place === 'cancelled';
  if (answer === 'ended') return ['completed', 'failed', 'cancelled'].includes(stored.place);
  if (answer === 'stopping') return stored.place === 'active' && stored.isMarked;
  return answer === null || stored.place === 'absent';
}

function isSeen(stored: Stored, seen: TaskSeen | null): boolean {
  if (!seen) return stored.place === 'absent';
  const place = seen.state === 'delayed' ? 'waiting' : seen.state;
  const { made, handovers, answer } = stored;
  if (place !== stored.place || seen.made !== made || seen.handovers !== handovers || seen.answer !== answer)
    return false;
  return isSame(stored.record, recordOf(seen.record));
}

/** Of a long record the middle is cut out; what is left must be there. */
function isSame(entries: readonly string[], seen: readonly string[]): boolean {
  const cut = seen.findIndex((entry) => entry.startsWith('cut '));
  if (cut < 0) return entries.length === seen.length && isPrefix(entries, seen);
  const rest = seen.slice(cut + 1);
  const tail = entries.slice(entries.length - rest.length);
  return entries.length >= seen.length - 1 && isPrefix(seen.slice(0, cut), entries) && isPrefix(rest, tail);
}

function isPrefix(entries: readonly string[], of: readonly string[]): boolean {
  const cut = of.findIndex((entry) => entry.startsWith('cut '));
  if (cut >= 0 && entries.length > cut) return isPrefix(entries.slice(0, cut), of.slice(0, cut));
  return entries.length <= of.length && entries.every((entry, index) => entry === of[index]);
}

/** Where the task stands, in words. */
export function placeOf({ stored, begun }: TaskState, runs: readonly LineOf<'began'>[]): string {
  const { place, claim } = stored;
  if (place === 'absent') return 'not there';
  if (place !== 'active' || claim === null) return place;
  const run = runs.find(({ run }) => run === claim);
  const node = run?.node ?? claim.slice(1);
  return `${run && begun.includes(claim) ? 'running on' : 'claimed by'} ${node || UNKNOWN_NODE}`;
}
