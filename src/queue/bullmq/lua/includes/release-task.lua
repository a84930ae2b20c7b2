--- @include line

-- Puts a held task back in line. A task that was cancelled or removed in the meantime is only dropped.
-- list: the held tasks that it belongs to
local function releaseTask(pool, list, id, atHead)
  redis.call('ZREM', list, id)
  if redis.call('ZREM', pool.delayed, id) == 0 then return false end
  redis.call('HDEL', pool.tasks .. id, 'cm:held')
  redis.call('HSET', pool.tasks .. id, 'delay', 0)
  backInLine(pool, id, atHead, 'delayed')
  return true
end

-- The first of these held tasks, after dropping those that were cancelled or removed. `true` if there are more of
-- those to drop.
local function firstHeld(pool, list)
  for _ = 1, 100 do
    local id = redis.call('ZRANGE', list, 0, 0)[1]
    if not id or redis.call('ZSCORE', pool.delayed, id) then return id end
    redis.call('ZREM', list, id)
  end
  return true
end
