--- @include pool-event

-- The line of a pool holds the tasks that any node may run: tasks with a priority in a sorted set, 1 before 2, and
-- behind them all others in a list.

-- At the head, a task goes before all waiting tasks (of its own priority, if it has one), else behind them.
local function standInLine(pool, id, priority, atHead)
  if priority > 0 then
    -- BullMQ's score: priority in the upper bits, order of arrival in the lower 32 bits; 0 is before all arrivals.
    local arrival = atHead and 0 or redis.call('INCR', pool.priorityCounter) % 0x100000000
    redis.call('ZADD', pool.prioritized, priority * 0x100000000 + arrival, id)
  else
    redis.call(atHead and 'RPUSH' or 'LPUSH', pool.wait, id)
  end
end

-- Wakes a node that waits for work, unless the pool is paused.
local function wakeNode(pool)
  if redis.call('HEXISTS', pool.meta, 'paused') == 0 then
    redis.call('ZADD', pool.marker, '0', '0')
  end
end

-- Puts a task that left the line back in it.
local function backInLine(pool, id, atHead, from)
  local priority = tonumber(redis.call('HGET', pool.tasks .. id, 'priority') or '0') or 0
  standInLine(pool, id, priority, atHead)
  wakeNode(pool)
  poolEvent(pool, 'waiting', id, 'prev', from)
end
