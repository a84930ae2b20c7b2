--- @include back-in-queue

-- The keys of a pool's queue that letting tasks go takes.
local function poolQueue(base, pool)
  local prefix = base .. ':' .. pool .. ':'
  return {pool = pool, tasks = prefix, delayed = prefix .. 'delayed', failed = prefix .. 'failed', events = prefix .. 'events',
    back = {prefix .. 'wait', prefix .. 'prioritized', prefix .. 'marker', prefix .. 'meta', prefix .. 'events', prefix .. 'pc'}}
end

-- Puts a held task back into its queue. Not one that somebody has cancelled or removed meanwhile; that is only dropped.
local function releaseTask(queue, index, id, atHead)
  redis.call('ZREM', index, id)
  if redis.call('ZREM', queue.delayed, id) == 0 then return false end
  local jobKey = queue.tasks .. id
  redis.call('HDEL', jobKey, 'cm:held')
  redis.call('HSET', jobKey, 'delay', 0)
  backInQueue(queue.back, id, jobKey, atHead, 'delayed')
  return true
end

-- The first of these held tasks; before it, some that somebody has cancelled or removed are dropped. `true` if there are more of those.
local function firstHeld(queue, index)
  for _ = 1, 100 do
    local id = redis.call('ZRANGE', index, 0, 0)[1]
    if not id or redis.call('ZSCORE', queue.delayed, id) then return id end
    redis.call('ZREM', index, id)
  end
  return true
end
