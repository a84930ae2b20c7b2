import { Redis } from 'ioredis';
import { seeded } from '../support/seeded.ts';
import { BrokenPromise } from './invariants.ts';
import { World, type WorldSpec } from './world.ts';

/** What an exploration has seen. */
export interface Seen {
  readonly transitions: number;
  readonly states: number;
  /** Kinds of steps that were taken in some state. */
  readonly kinds: ReadonlySet<string>;
  /** The way to a broken promise, as short as it could be made. */
  readonly broken: { readonly steps: readonly string[]; readonly promise: string } | undefined;
}

/** The kind of a step: without the numbers of tasks and lives. */
export function kindOf(step: string): string {
  return step.replace(/ \d+/g, '').replace(/^mac-\d(~\d+)?/, 'node');
}

export interface ExploreOptions {
  readonly url: string;
  /** Walks through the world, each from the start. */
  readonly walks: number;
  /** Steps of the longest, about. */
  readonly length: number;
  readonly seed: number;
  /** Asked before each walk; false ends the exploration. */
  readonly goOn?: () => boolean;
}

/** Random ways; after each, everything must end. */
export async function walk(spec: WorldSpec, { url, walks, length, seed, goOn }: ExploreOptions): Promise<Seen> {
  const redis = new Redis(url, { maxRetriesPerRequest: null });
  const random = seeded(seed);
  const states = new Set<string>();
  const kinds = new Set<string>();
  let transitions = 0;
  try {
    for (let n = 0; n < walks && goOn?.() !== false; n++) {
      const world = await World.open(spec, redis);
      const steps: string[] = [];
      // Where all have ended there is nothing left to find: most ways are short.
      const most = 4 + Math.floor(random() ** 2 * length);
      try {
        // Half of them begin with all there is to do.
        const begin = random() < 0.5 ? spec.tasks.map((_, index) => `enqueue ${index + 1}`) : [];
        for (let i = 0; i < most; i++) {
          const step = begin[i] ?? pick(world, random);
          steps.push(step);
          transitions++;
          if (!(await world.take(step))) steps.pop();
          else {
            kinds.add(kindOf(step));
            states.add(world.state);
          }
        }
        await world.drain();
      } catch (error) {
        if (!(error instanceof BrokenPromise)) throw withWay(error, steps);
        return { transitions, states: states.size, kinds, broken: await shrunk(spec, redis, steps) };
      } finally {
        await world.close();
      }
    }
  } finally {
    redis.disconnect();
  }
  return { transitions, states: states.size, kinds, broken: undefined };
}

/**
 * Every way, the shortest first, but for those that lead to a state that another one has led to. From every `drainEach`-th state
 * all must end.
 */
export async function explore(
  spec: WorldSpec,
  { url, goOn, drainEach }: { url: string; goOn: () => boolean; drainEach: number },
): Promise<Seen & { depth: number; whole: boolean }> {
  const redis = new Redis(url, { maxRetriesPerRequest: null });
  const states = new Set<string>();
  const kinds = new Set<string>();
  const queue: string[][] = [[]];
  let transitions = 0;
  let depth = 0;
  try {
    for (let steps = queue.shift(); steps && goOn(); steps = queue.shift()) {
      depth = steps.length;
      transitions++;
      const world = await World.open(spec, redis);
      try {
        let done = true;
        for (const step of steps) done = await world.take(step);
        if (!done) continue;
        const { state } = world;
        if (states.has(state)) continue;
        states.add(state);
        const last = steps.at(-1);
        if (last !== undefined) kinds.add(kindOf(last));
        for (const step of world.steps()) queue.push([...steps, step]);
        if (states.size % drainEach === 0) await world.drain();
      } catch (error) {
        if (!(error instanceof BrokenPromise)) throw withWay(error, steps);
        return {
          transitions,
          states: states.size,
          kinds,
          depth,
          whole: false,
          broken: await shrunk(spec, redis, steps),
        };
      } finally {
        await world.close();
      }
    }
  } finally {
    redis.disconnect();
  }
  return { transitions, states: states.size, kinds, depth, whole: queue.length === 0, broken: undefined };
}

/** Goes a way again. @returns the promise that broke on it, undefined if none did. */
export async function replay(spec: WorldSpec, redis: Redis, steps: readonly string[]): Promise<string | undefined> {
  const world = await World.open(spec, redis);
  try {
    for (const step of steps) await world.take(step);
    await world.drain();
    return undefined;
  } catch (error) {
    if (error instanceof BrokenPromise) return error.message;
    throw withWay(error, steps);
  } finally {
    await world.close();
  }
}

/** Leaves out steps for as long as a promise still breaks. A step that can't be taken any more is none. */
async function shrunk(spec: WorldSpec, redis: Redis, found: readonly string[]) {
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

/** What moves work on comes more often than faults and what people do, and what can do nothing seldom. */
function pick(world: World, random: () => number): string {
  const weighed = world.steps().map((step): [string, number] => {
    const seldom = / lost| twice|^(retry|remove|lapse|pause)|dies/.test(step);
    // What the world is about.
    const special = (world.spec.failures ?? []).some((kind) => step.includes(kind)) || /passes/.test(step);
    return [step, world.isOfUse(step) ? (seldom ? 1 : special ? 9 : 3) : 0.1];
  });
  let left = random() * weighed.reduce((sum, [, weight]) => sum + weight, 0);
  for (const [step, weight] of weighed) {
    left -= weight;
    if (left < 0) return step;
  }
  return weighed.at(-1)?.[0] ?? '';
}

function withWay(error: unknown, steps: readonly string[]): Error {
  return new Error(`${(error as Error).message} on the way ${JSON.stringify(steps)}`, { cause: error });
}
