import type { Redis } from 'ioredis';

/** All keys of a database as Redis itself writes them: name, value, time to live (ms, -1 for none), and so on. */
export type Snapshot = readonly Buffer[];

const SAVE = `
  local all = {}
  for _, key in ipairs(redis.call('KEYS', '*')) do
    all[#all + 1] = key
    all[#all + 1] = redis.call('DUMP', key)
    all[#all + 1] = tostring(redis.call('PTTL', key))
  end
  return all`;

const RESTORE = `
  redis.call('FLUSHDB')
  for i = 1, #ARGV, 3 do
    redis.call('RESTORE', ARGV[i], math.max(0, tonumber(ARGV[i + 2])), ARGV[i + 1])
  end`;

export async function save(redis: Redis): Promise<Snapshot> {
  return (await redis.callBuffer('EVAL', SAVE, 0)) as Buffer[];
}

/** Back to where everything stood when this was saved; whatever came after it is gone. */
export async function restore(redis: Redis, snapshot: Snapshot): Promise<void> {
  await redis.eval(RESTORE, 0, ...snapshot);
}
