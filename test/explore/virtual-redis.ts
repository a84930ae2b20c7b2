import type { Redis } from 'ioredis';
import { ReplyLost } from '../support/interleavings/lossy-redis.ts';

/** The list that holds the virtual time, as Redis' own command TIME answers it: seconds, microseconds. */
const CLOCK = 'virtual-clock';
/** The one line of the shipped scripts that differs here (`redis/lua/now.lua`). */
export const REAL_LINE = "local time = redis.call('TIME')";
export const VIRTUAL_LINE = `local time = redis.call('LRANGE', '${CLOCK}', 0, 1)`;

/** What the connection does with the next script: loses its answer, or sends it a second time, as ioredis does. */
export type Fault = 'lost' | 'twice';

/** A client whose scripts read a clock that stands still until it is set, and whose answers can get lost. */
export interface VirtualRedis {
  readonly redis: Redis;
  /** The fault hits the next script; undefined takes it back. */
  fault: Fault | undefined;
}

/** Sets the virtual time of a server, ms. */
export async function setClock(redis: Redis, ms: number): Promise<void> {
  await redis
    .multi()
    .del(CLOCK)
    .rpush(CLOCK, Math.floor(ms / 1_000), (ms % 1_000) * 1_000)
    .exec();
}

/** Scripts by their name, as the connection knows them already: one that is defined again is sent whole once more. */
const definedOn = new WeakMap<Redis, Map<string, string>>();

/** @param redis any number of virtual clients may stand on it. */
export function virtualRedis(redis: Redis): VirtualRedis {
  const made = new Map<string, unknown>();
  const defined = definedOn.get(redis) ?? new Map<string, string>();
  definedOn.set(redis, defined);
  const virtual: VirtualRedis = {
    fault: undefined,
    redis: new Proxy(redis, {
      get(target, name) {
        if (typeof name !== 'string') return Reflect.get(target, name, target);
        let known = made.get(name);
        if (known === undefined) {
          known = property(target, name);
          made.set(name, known);
        }
        return known;
      },
    }),
  };
  function property(target: Redis, name: string): unknown {
    if (name === 'time') {
      return async () => (await target.lrange(CLOCK, 0, 1)).map(Number);
    }
    if (name === 'defineCommand') {
      return (script: string, definition: { lua: string; numberOfKeys?: number }) => {
        if (defined.get(script) === definition.lua) return;
        defined.set(script, definition.lua);
        target.defineCommand(script, { ...definition, lua: definition.lua.replace(REAL_LINE, VIRTUAL_LINE) });
      };
    }
    // Listeners of clients that are thrown away by the thousand.
    if (name === 'on' || name === 'once' || name === 'off' || name === 'removeListener') return () => virtual.redis;
    // Others continue to use the connection.
    if (name === 'disconnect' || name === 'quit') return () => undefined;
    const value: unknown = Reflect.get(target, name, target);
    if (typeof value !== 'function') return value;
    if (!name.startsWith('clawmesh:')) return value.bind(target);
    return async (...args: unknown[]) => {
      const { fault } = virtual;
      virtual.fault = undefined;
      const reply: unknown = await value.apply(target, args);
      if (fault === 'lost') throw new ReplyLost();
      return fault === 'twice' ? value.apply(target, args) : reply;
    };
  }
  return virtual;
}
