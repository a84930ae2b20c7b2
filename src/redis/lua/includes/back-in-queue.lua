-- Puts a task among those that wait, and wakes a node. At the head it goes before all that wait (among equals, if it has a
-- priority), at the tail behind them.
-- keys: {wait, prioritized, marker, meta, events, pc}
local function backInQueue(keys, taskId, jobKey, atHead, from)
  local priority = tonumber(redis.call('HGET', jobKey, 'priority') or '0') or 0
  if priority > 0 then
    -- BullMQ's score: priority in the upper bits, order of arrival in the lower 32; 0 is before all arrivals.
    local arrival = atHead and 0 or redis.call('INCR', keys[6]) % 0x100000000
    redis.call('ZADD', keys[2], priority * 0x100000000 + arrival, taskId)
  else
    redis.call(atHead and 'RPUSH' or 'LPUSH', keys[1], taskId)
  end
  if redis.call('HEXISTS', keys[4], 'paused') == 0 then
    redis.call('ZADD', keys[3], 0, '0')
  end
  redis.call('XADD', keys[5], 'MAXLEN', '~', 10000, '*', 'event', 'waiting', 'jobId', taskId, 'prev', from)
end
