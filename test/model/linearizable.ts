/**
 * Whether some order of atomic steps explains a history of concurrent operations: the search of Wing & Gong ("Testing and
 * verifying concurrent objects", 1993) with the memory of Lowe ("Testing for linearizability", 2017): of two ways that have
 * placed the same operations and come to the same state, the second is not followed.
 */

export interface Operation<Step> {
  readonly step: Step;
  /** It took effect at some moment from `called` to `answered`; any clock that all operations share. */
  readonly called: number;
  readonly answered: number;
  /** It may never have happened. */
  readonly optional?: boolean;
}

/** A sequential specification. */
export interface Specification<State, Step> {
  readonly initial: State;
  /** Two states with the same key have the same future. */
  key(state: State): string;
  /** The states that the step may lead to; none if it is not possible, or its answer would be another one. */
  apply(state: State, step: Step): readonly State[];
  /** The states that steps without a request lead to. */
  internal(state: State): readonly State[];
  /**
   * The state without what no operation will look at any more; undefined if it can't lead to what is still to come. May
   * look ahead to shorten the search, never to change its answer. `placed`: whether the operation with this index came before.
   */
  reduce(state: State, placed: (index: number) => boolean): State | undefined;
}

/** A moment of the order that was found: the operation with this index, or a step without a request. */
export interface Placed<State> {
  readonly operation: number | undefined;
  readonly state: State;
}

interface Config<State> {
  readonly state: State;
  readonly done: bigint;
  /** The latest call among the operations placed: what was answered before it can't come any more. */
  readonly latestCall: number;
  readonly before: Config<State> | undefined;
  readonly operation: number | undefined;
}

export interface SearchResult<State> {
  /** The order that explains the history; undefined if none does. */
  readonly order: readonly Placed<State>[] | undefined;
  /** All states in which the history may have ended; only if they were requested. */
  readonly ends: readonly State[];
  /** States looked at. */
  readonly seen: number;
}

/** @throws Error if more than `limit` states would have to be looked at. */
export function linearize<State, Step>(
  operations: readonly Operation<Step>[],
  specification: Specification<State, Step>,
  { allEnds = false, limit = 2_000_000 }: { allEnds?: boolean; limit?: number } = {},
): SearchResult<State> {
  const required = operations.reduce((bits, { optional }, i) => (optional ? bits : bits | (1n << BigInt(i))), 0n);
  const start = { state: specification.initial, done: 0n, latestCall: Number.NEGATIVE_INFINITY };
  const stack: Config<State>[] = [{ ...start, before: undefined, operation: undefined }];
  const seen = new Set<string>();
  const ends: State[] = [];
  for (let config = stack.pop(); config; config = stack.pop()) {
    const key = `${config.done.toString(36)} ${specification.key(config.state)}`;
    if (seen.has(key)) continue;
    seen.add(key);
    if (seen.size > limit) throw new Error(`more than ${limit} states for ${operations.length} operations`);
    if ((config.done & required) === required) {
      if (!allEnds) return { order: wayTo(config), ends, seen: seen.size };
      ends.push(config.state);
    }
    // What is pushed last is followed first: the steps that were asked for, the oldest before all others.
    const { done } = config;
    const push = (next: Config<State>) => {
      const state = specification.reduce(next.state, (index) => (next.done & (1n << BigInt(index))) !== 0n);
      if (state !== undefined) stack.push({ ...next, state });
    };
    for (const state of specification.internal(config.state)) {
      push({ ...config, state, before: config, operation: undefined });
    }
    for (const index of candidates(operations, config).reverse()) {
      const operation = operations[index] as Operation<Step>;
      const latestCall = Math.max(config.latestCall, operation.called);
      for (const state of specification.apply(config.state, operation.step)) {
        push({ state, done: done | (1n << BigInt(index)), latestCall, before: config, operation: index });
      }
    }
  }
  return { order: undefined, ends, seen: seen.size };
}

/** The operations that real time lets come next. */
function candidates<State>(operations: readonly Operation<unknown>[], config: Config<State>): number[] {
  let firstAnswer = Number.POSITIVE_INFINITY;
  const left: number[] = [];
  for (const [index, { answered, optional }] of operations.entries()) {
    if (config.done & (1n << BigInt(index))) continue;
    left.push(index);
    if (!optional) firstAnswer = Math.min(firstAnswer, answered);
  }
  return left.filter((index) => {
    const { called, answered } = operations[index] as Operation<unknown>;
    return called <= firstAnswer && answered >= config.latestCall;
  });
}

function wayTo<State>(end: Config<State>): Placed<State>[] {
  const way: Placed<State>[] = [];
  for (let config: Config<State> | undefined = end; config?.before; config = config.before) {
    way.push({ operation: config.operation, state: config.state });
  }
  return way.reverse();
}

/** The same question, asked about a claimed order; for tests of the search. */
export function explains<State, Step>(
  order: readonly Placed<State>[],
  operations: readonly Operation<Step>[],
  specification: Specification<State, Step>,
): boolean {
  const placed = new Set<number>();
  let state = specification.initial;
  for (const step of order) {
    const { operation } = step;
    const next =
      operation === undefined
        ? specification.internal(state)
        : specification.apply(state, (operations[operation] as Operation<Step>).step);
    const key = specification.key(step.state);
    const isPlaced = (index: number) => placed.has(index) || index === operation;
    const reduced = next.flatMap((candidate) => specification.reduce(candidate, isPlaced) ?? []);
    if (!reduced.some((candidate) => specification.key(candidate as State) === key)) return false;
    if (operation !== undefined) {
      const { answered } = operations[operation] as Operation<Step>;
      if (placed.has(operation)) return false;
      for (const before of placed) if ((operations[before] as Operation<Step>).called > answered) return false;
      placed.add(operation);
    }
    state = step.state;
  }
  return operations.every(({ optional }, index) => optional || placed.has(index));
}
