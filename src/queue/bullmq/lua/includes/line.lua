--- @include pool-event

-- The tasks of a pool that any node may take stand in line: those with a priority in a sorted set, 1 before 2, all others
-- behind them in a list.

-- At the head a task goes before all that wait (among equals, if it has a priority), else behind them.
local function standInLine(pool, id, priority, atHead)
  if priority > 0 then
    -- BullMQ's score: priority in the upper bits, order of arrival in the lower 32; 0 is before all arrivals.
    local arrival = atHead and 0 or redis.call('INCR', pool.priorityCounter) % 0x100000000
    redis.call('ZADD', pool.prioritized, priority * 0x100000000 + arrival, id)
  else
    redis.call(atHead and 'RPUSH' or 'LPUSH', pool.wait, id)
  end
end

-- Wakes a node that waits for work; a paused pool wakes none.
local function wakeNode(pool)
  if redis.call('HEXISTS', pool.meta, 'paused') == 0 then
    redis.call('ZADD', pool.marker, '0', '0')
  end
end

-- A task that was elsewhere stands in line from now on.
local function backInLine(pool, id, atHead, from)
  local priority = tonumber(redis.call('HGET', pool.tasks .. id, 'priority') or '0') or 0
  standInLine(pool, id, priority, atHead)
  wakeNode(pool)
  poolEvent(pool, 'waiting', id, 'prev', from)
end
