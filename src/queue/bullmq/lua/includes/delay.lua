--- @include pool-event
--- @include next-due

-- Marker `1` tells waiting nodes when the next delayed task is due.
local function markNextDue(pool)
  local dueAt = nextDueAt(pool)
  if dueAt > 0 then redis.call('ZADD', pool.marker, dueAt, '1') end
end

-- Delays a task until `dueAt` (ms). BullMQ's score is the time, plus 12 bits that keep tasks of one millisecond in
-- order.
local function delayTask(pool, id, dueAt)
  local first, last = dueAt * 0x1000, (dueAt + 1) * 0x1000 - 1
  local newest = redis.call('ZREVRANGEBYSCORE', pool.delayed, last, first, 'WITHSCORES', 'LIMIT', 0, 1)[2]
  redis.call('ZADD', pool.delayed, newest and math.min(tonumber(newest) + 1, last) or first, id)
  poolEvent(pool, 'delayed', id, 'delay', string.format('%.0f', dueAt))
  markNextDue(pool)
end
