import { createHash } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { TaskTransition } from '../../src/domain/task-state.ts';
import { seeded } from '../support/seeded.ts';
import type { ExploredRedis } from './explored-redis.ts';
import { BrokenPromise } from './invariants.ts';
import type { WorldSpec } from './spec.ts';
import { World } from './world.ts';

/** Worlds that are explored at once, each in a database of its own: while one waits for Redis, another one runs. */
const LANES = 4;

/** A way to a broken promise, as short as it could be made. */
export interface Broken {
  readonly steps: readonly string[];
  readonly promise: string;
}

/** What an exploration has seen. */
export class Seen {
  /** Steps that were taken, those included with which all is brought to its end. */
  transitions = 0;
  readonly states = new Set<string>();
  /** Steps that were taken in some state, as `<state> <step>`. */
  readonly pairs = new Set<string>();
  /** Steps that can be taken in some state that was seen. */
  readonly possible = new Set<string>();
  /** Kinds of steps that were taken in some state. */
  readonly kinds = new Set<string>();
  /** Rows of the transition table that tasks have gone through. */
  readonly rows = new Set<TaskTransition>();
  broken: Broken | undefined;
}

/** The kind of a step: without the numbers of tasks and incarnations. */
export function kindOf(step: string): string {
  return step.replace(/ s?\d+/g, '').replace(/^mac-\d(~\d+)?/, 'node');
}

export interface WalkOptions {
  readonly redis: ExploredRedis;
  /** Walks through the world, each from the start. */
  readonly walks: number;
  /** Steps of the longest, about. */
  readonly length: number;
  readonly seed: number;
  /** Asked before each walk; false ends the exploration. */
  readonly goOn?: () => boolean;
}

/** Random ways, that rather take a step that has not been taken in their state; after each, everything must end. */
export async function walk(spec: WorldSpec, { redis, walks, length, seed, goOn }: WalkOptions): Promise<Seen> {
  const seen = new Seen();
  await inLanes(redis, async (line, lane) => {
    // Each lane for itself, so that a seed leads the same ways whatever the machine does.
    const random = seeded(seed * LANES + lane);
    const taken = new Set<string>();
    for (let n = lane; n < walks && !seen.broken && goOn?.() !== false; n += LANES) {
      const steps: string[] = [];
      const found = await onTheWay(spec, line, steps, seen, async (world) => {
        // Where all have ended there is nothing left to find: most ways are short.
        const most = 4 + Math.floor(random() ** 3 * length);
        // Most begin with all there is to do.
        const begin = random() < 0.7 ? spec.tasks.map((_, index) => `enqueue ${index + 1}`) : [];
        for (let i = 0; i < most; i++) {
          const state = idOf(world.state);
          const step = begin[i] ?? pick(world, random, (each) => taken.has(`${state} ${each}`));
          taken.add(`${state} ${step}`);
          steps.push(step);
          if (!(await world.take(step))) steps.pop();
          else note(seen, state, step, world);
        }
        await world.drain();
      });
      if (found) seen.broken ??= await shrunk(spec, line, steps);
    }
  });
  return seen;
}

/**
 * Every way, the shortest first, but for those that lead to a state that another one has led to. From every `drainEach`-th
 * state all must end. `depth`: all ways of that length were taken; `whole`: there are no others.
 */
export async function explore(
  spec: WorldSpec,
  { redis, goOn, drainEach }: { redis: ExploredRedis; goOn: () => boolean; drainEach: number },
): Promise<{ seen: Seen; depth: number; whole: boolean }> {
  const seen = new Seen();
  let ways: string[][] = [[]];
  let depth = -1;
  while (ways.length > 0 && goOn() && !seen.broken) {
    const next: string[][] = [];
    await inLanes(redis, async (line) => {
      for (let steps = ways.pop(); steps && goOn() && !seen.broken; steps = ways.pop()) {
        const way = steps;
        const found = await onTheWay(spec, line, way, seen, async (world) => {
          let before = '';
          for (const [index, step] of way.entries()) {
            if (index === way.length - 1) before = idOf(world.state);
            if (!(await world.take(step))) return;
          }
          const state = idOf(world.state);
          const isNew = !seen.states.has(state);
          if (before !== '') note(seen, before, way.at(-1) ?? '', world);
          else seen.states.add(state);
          if (!isNew) return;
          next.push(...world.steps().map((step) => [...way, step]));
          if (seen.states.size % drainEach === 0) await world.drain();
        });
        if (found) seen.broken ??= await shrunk(spec, line, way);
      }
    });
    if (ways.length === 0) depth++;
    ways = next;
  }
  return { seen, depth, whole: ways.length === 0 && !seen.broken };
}

/** Goes a way again. @returns the promise that broke on it, undefined if none did. */
export async function replay(
  spec: WorldSpec,
  redis: Redis,
  steps: readonly string[],
  seen = new Seen(),
): Promise<string | undefined> {
  const found = await onTheWay(spec, redis, steps, seen, async (world) => {
    for (const step of steps) await world.take(step);
    await world.drain();
  });
  return found?.message;
}

/** Opens a world, goes a way through it, and closes it. @returns the promise that broke. */
async function onTheWay(
  spec: WorldSpec,
  redis: Redis,
  steps: readonly string[],
  seen: Seen,
  go: (world: World) => Promise<void>,
): Promise<BrokenPromise | undefined> {
  const world = await World.open(spec, redis);
  try {
    await go(world);
    return undefined;
  } catch (error) {
    if (error instanceof BrokenPromise) return error;
    const message = `${(error as Error).message} on the way ${JSON.stringify(steps)}`;
    throw new Error(message, { cause: error });
  } finally {
    seen.transitions += world.transitions;
    for (const row of world.rows) seen.rows.add(row);
    await world.close();
  }
}

async function inLanes(redis: ExploredRedis, work: (line: Redis, lane: number) => Promise<void>): Promise<void> {
  const lines = Array.from({ length: LANES }, (_, lane) => redis.connect(lane));
  try {
    await Promise.all(lines.map(work));
  } finally {
    for (const line of lines) line.disconnect();
  }
}

function note(seen: Seen, before: string, step: string, world: World): void {
  seen.pairs.add(`${before} ${step}`);
  seen.kinds.add(kindOf(step));
  const state = idOf(world.state);
  if (seen.states.has(state)) return;
  seen.states.add(state);
  for (const each of world.steps()) seen.possible.add(`${state} ${each}`);
}

/** Short, since a long exploration keeps millions of them. */
function idOf(state: string): string {
  return createHash('sha1').update(state).digest('base64').slice(0, 12);
}

/** Leaves out steps for as long as a promise still breaks. A step that can't be taken any more is none. */
async function shrunk(spec: WorldSpec, redis: Redis, found: readonly string[]): Promise<Broken> {
  let steps = found;
  let promise = (await replay(spec, redis, steps)) ?? 'it did not break again';
  for (let size = Math.ceil(steps.length / 2); size >= 1; size = size > 1 ? Math.ceil(size / 2) : 0) {
    for (let start = 0; start < steps.length; ) {
      const fewer = [...steps.slice(0, start), ...steps.slice(start + size)];
      const broken = await replay(spec, redis, fewer).catch(() => undefined);
      if (broken === undefined) start += size;
      else [steps, promise] = [fewer, broken];
    }
  }
  return { steps, promise };
}

/** What moves work on comes more often than faults and what people do, what can do nothing seldom, and what is new more often. */
function pick(world: World, random: () => number, isOld: (step: string) => boolean): string {
  const weighed = world.steps().map((step): [string, number] => {
    const seldom = / lost| twice|^(retry|remove|lapse|pause)|dies/.test(step);
    const weight = world.isOfUse(step) ? (world.spec.often?.test(step) ? 9 : seldom ? 1 : 3) : 0.1;
    return [step, isOld(step) ? weight / 4 : weight];
  });
  let left = random() * weighed.reduce((sum, [, weight]) => sum + weight, 0);
  for (const [step, weight] of weighed) {
    left -= weight;
    if (left < 0) return step;
  }
  return weighed.at(-1)?.[0] ?? '';
}
