import type { Redis } from 'ioredis';

/** What a client says of a command whose answer was lost with the connection. */
export class ReplyLost extends Error {
  constructor() {
    super('Connection is closed.');
  }
}

/** A client of which single answers get lost after Redis has done what it was asked. */
export interface LossyRedis {
  readonly redis: Redis;
  /** Has the answer to the next script get lost. */
  loseNext(): void;
  /** Back to a sound connection. @returns whether an answer did get lost. */
  mend(): boolean;
}

export function lossyRedis(redis: Redis): LossyRedis {
  let armed = false;
  let lost = false;
  const scripts = new Map<string, unknown>();
  const proxy = new Proxy(redis, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      if (typeof name !== 'string' || !name.startsWith('clawmesh:')) return value.bind(target);
      let script = scripts.get(name);
      if (!script) {
        script = async (...args: unknown[]) => {
          const loses = armed;
          armed = false;
          const reply: unknown = await value.apply(target, args);
          if (!loses) return reply;
          lost = true;
          throw new ReplyLost();
        };
        scripts.set(name, script);
      }
      return script;
    },
  });
  return {
    redis: proxy,
    loseNext: () => {
      armed = true;
    },
    mend: () => {
      const was = lost;
      armed = false;
      lost = false;
      return was;
    },
  };
}
